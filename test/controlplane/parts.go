package controlplane

import "strconv"

// The parts in the order of their start.
var parts = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}

// ports of one control plane, all on 127.0.0.1.
type ports struct {
	EtcdClient        int `json:"etcdClient"`
	EtcdPeer          int `json:"etcdPeer"`
	API               int `json:"api"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

func loopback(scheme string, port int) string { return scheme + "://127.0.0.1:" + strconv.Itoa(port) }

func (c *ControlPlane) args(part string) []string {
	switch part {
	case "etcd":
		return c.etcdArgs()
	case "kube-apiserver":
		return c.apiserverArgs()
	case "kube-controller-manager":
		return c.controllerManagerArgs()
	default:
		return c.schedulerArgs()
	}
}

func (c *ControlPlane) etcdArgs() []string {
	client, peer := loopback("https", c.state.Ports.EtcdClient), loopback("http", c.state.Ports.EtcdPeer)
	return []string{
		"--data-dir=" + c.path("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
		"--cert-file=" + c.pki.cert("etcd"), "--key-file=" + c.pki.key("etcd"),
		"--client-cert-auth", "--trusted-ca-file=" + c.pki.cert("etcd-ca"),
		"--log-level=warn",
		"--unsafe-no-fsync", // a crash of the machine may lose it; it is a test's or a developer's
	}
}

func (c *ControlPlane) apiserverArgs() []string {
	return []string{
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--secure-port=" + strconv.Itoa(c.state.Ports.API),
		"--tls-cert-file=" + c.pki.cert("apiserver"), "--tls-private-key-file=" + c.pki.key("apiserver"),
		"--client-ca-file=" + c.pki.cert("ca"),
		"--etcd-servers=" + loopback("https", c.state.Ports.EtcdClient),
		"--etcd-cafile=" + c.pki.cert("etcd-ca"),
		"--etcd-certfile=" + c.pki.cert("apiserver-etcd"), "--etcd-keyfile=" + c.pki.key("apiserver-etcd"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--kubelet-client-certificate=" + c.pki.cert("kubelet-client"),
		"--kubelet-client-key=" + c.pki.key("kubelet-client"),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("pki/service-account.pub"),
		"--service-account-signing-key-file=" + c.pki.key("service-account"),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--requestheader-client-ca-file=" + c.pki.cert("front-proxy-ca"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.pki.cert("front-proxy-client"), "--proxy-client-key-file=" + c.pki.key("front-proxy-client"),
		"--profiling=false",
	}
}

func (c *ControlPlane) controllerManagerArgs() []string {
	return []string{
		"--kubeconfig=" + c.path("controller-manager.kubeconfig"),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.state.Ports.ControllerManager),
		"--leader-elect=false", "--use-service-account-credentials=true",
		"--cluster-signing-cert-file=" + c.pki.cert("ca"), "--cluster-signing-key-file=" + c.pki.key("ca"),
		"--root-ca-file=" + c.pki.cert("ca"),
		// Its defaults are for clusters that live long: a test is over before the first five minutes of a pod are.
		"--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
		"--horizontal-pod-autoscaler-initial-readiness-delay=5s",
		"--service-account-private-key-file=" + c.pki.key("service-account"),
		"--profiling=false",
	}
}

func (c *ControlPlane) schedulerArgs() []string {
	return []string{
		"--kubeconfig=" + c.path("scheduler.kubeconfig"),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(c.state.Ports.Scheduler),
		"--leader-elect=false", "--profiling=false",
	}
}
