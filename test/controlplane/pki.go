package controlplane

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime of every certificate; a control plane of a test or of a developer does not live longer.
const lifetime = 365 * 24 * time.Hour

// pki is the directory with the keys and certificates of one control plane.
type pki struct{ dir string }

func (p pki) cert(name string) string { return filepath.Join(p.dir, name+".crt") }
func (p pki) key(name string) string  { return filepath.Join(p.dir, name+".key") }

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// leaf is one certificate to be made.
type leaf struct {
	name   string // of the files
	cn     string
	groups []string
	server bool
	ca     string // that signs it; "ca" when empty
}

// The identities are those that kubeadm gives, so that the bootstrap RBAC rules fit them.
var leaves = []leaf{
	{name: "etcd", cn: "etcd", server: true, ca: "etcd-ca"},
	{name: "apiserver-etcd", cn: "kube-apiserver-etcd-client", ca: "etcd-ca"},
	{name: "apiserver", cn: "kube-apiserver", server: true},
	{name: "admin", cn: "kubernetes-admin", groups: []string{"system:masters"}},
	{name: "kubelet-client", cn: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}},
	{name: "controller-manager", cn: "system:kube-controller-manager"},
	{name: "scheduler", cn: "system:kube-scheduler"},
	// Who this authority vouches for may say on whose behalf it asks: an aggregated API server believes no other.
	{name: "front-proxy-client", cn: "front-proxy-client", ca: "front-proxy-ca"},
}

// ensure makes everything once; a directory that is complete stays as it is.
func (p pki) ensure() error {
	done := filepath.Join(p.dir, "complete-2") // the number is of the list of certificates
	if _, err := os.Stat(done); err == nil {
		return nil
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("make the key directory: %w", err)
	}
	signers := map[string]authority{}
	for name, cn := range map[string]string{"ca": "kubernetes", "etcd-ca": "etcd-ca", "front-proxy-ca": "front-proxy-ca"} {
		ca, err := p.newCA(name, cn)
		if err != nil {
			return err
		}
		signers[name] = ca
	}
	for _, l := range leaves {
		if err := p.newLeaf(signers[cmp.Or(l.ca, "ca")], l); err != nil {
			return fmt.Errorf("make the certificate %s: %w", l.name, err)
		}
	}
	if err := p.newServiceAccountKey(); err != nil {
		return fmt.Errorf("make the service-account key: %w", err)
	}
	return os.WriteFile(done, nil, 0o600)
}

func (p pki) newCA(name, cn string) (authority, error) {
	tmpl, err := template(cn)
	if err != nil {
		return authority{}, err
	}
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("make the CA %s: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	return authority{cert, key}, p.write(name, der, key)
}

func (p pki) newLeaf(ca authority, l leaf) error {
	tmpl, err := template(l.cn)
	if err != nil {
		return err
	}
	tmpl.Subject.Organization = l.groups
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if l.server {
		tmpl.ExtKeyUsage = append(tmpl.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		tmpl.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
		tmpl.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key.Public(), ca.key)
	if err != nil {
		return err
	}
	return p.write(l.name, der, key)
}

func (p pki) newServiceAccountKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		writeKey(p.key("service-account"), key),
		writePEM(filepath.Join(p.dir, "service-account.pub"), "PUBLIC KEY", pub),
	)
}

func (p pki) write(name string, der []byte, key *ecdsa.PrivateKey) error {
	return errors.Join(writePEM(p.cert(name), "CERTIFICATE", der), writeKey(p.key(name), key))
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func template(cn string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    now.Add(-time.Hour), // clocks of a freshly resumed machine may be behind
		NotAfter:     now.Add(lifetime),
	}, nil
}
