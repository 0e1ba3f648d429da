package kubelet

import (
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
)

// Settings are those of the node, as far as a kubelet has them, too.
type Settings struct {
	MaxPods       int64
	Reserved      corev1.ResourceList
	Taints        []corev1.Taint
	ClusterDNS    []string
	ClusterDomain string
	// StatusUpdate and Lease are how often the node is looked at, and how long it is believed.
	StatusUpdate, Lease time.Duration
}

// configz serves /configz: of a kubelet's configuration what is so here. A field that is not there has no meaning here.
func (k *Server) configz(w http.ResponseWriter, address net.Addr) {
	s, yes, no := &k.cfg.Settings, true, false
	c := kubeletconfig.KubeletConfiguration{
		TypeMeta:    metav1.TypeMeta{Kind: "KubeletConfiguration", APIVersion: kubeletconfig.SchemeGroupVersion.String()},
		TLSCertFile: k.cfg.CertFile,
		Authentication: kubeletconfig.KubeletAuthentication{X509: kubeletconfig.KubeletX509Authentication{ClientCAFile: k.cfg.ClientCAFile},
			Webhook:   kubeletconfig.KubeletWebhookAuthentication{Enabled: &yes, CacheTTL: metav1.Duration{Duration: tokenTTL}},
			Anonymous: kubeletconfig.KubeletAnonymousAuthentication{Enabled: &no}},
		Authorization: kubeletconfig.KubeletAuthorization{Mode: kubeletconfig.KubeletAuthorizationModeWebhook,
			Webhook: kubeletconfig.KubeletWebhookAuthorization{CacheAuthorizedTTL: metav1.Duration{Duration: allowTTL},
				CacheUnauthorizedTTL: metav1.Duration{Duration: denyTTL}}},
		ClusterDomain:             s.ClusterDomain,
		ClusterDNS:                s.ClusterDNS,
		NodeStatusUpdateFrequency: metav1.Duration{Duration: s.StatusUpdate},
		NodeLeaseDurationSeconds:  int32(s.Lease / time.Second),
		MaxPods:                   int32(s.MaxPods),
		SerializeImagePulls:       &no,
		EnableDebuggingHandlers:   &yes,
		EnableSystemLogHandler:    &yes,
		RegisterNode:              &yes,
		RegisterWithTaints:        s.Taints,
	}
	if tcp, ok := address.(*net.TCPAddr); ok {
		c.Address, c.Port = tcp.IP.String(), int32(tcp.Port)
	}
	for name, quantity := range s.Reserved {
		if c.SystemReserved == nil {
			c.SystemReserved = map[string]string{}
		}
		c.SystemReserved[string(name)] = quantity.String()
	}
	writeJSON(w, map[string]any{"kubeletconfig": c})
}
