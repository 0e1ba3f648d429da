package kubelet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"sync"
	"time"
)

const (
	selfSignedFor = 365 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour
	recheckFiles  = 10 * time.Second
)

// certificate is the serving certificate of the kubelet endpoint: from files, read again when they change, or self-signed
// and made anew in time. It is safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	name              string
	address           net.IP

	mu      sync.Mutex
	now     *tls.Certificate
	until   time.Time // self-signed: when to make another
	checked time.Time
	changed time.Time // the files' newest modification that was read
}

func newCertificate(cfg *Config) (*certificate, error) {
	c := &certificate{certFile: cfg.CertFile, keyFile: cfg.KeyFile, name: cfg.NodeName, address: net.ParseIP(cfg.Address)}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return c, nil
}

// get is tls.Config's GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.certFile == "" {
		if c.now == nil || now.After(c.until) {
			made, err := selfSigned(c.name, c.address, now)
			if err != nil {
				return nil, fmt.Errorf("make a serving certificate: %w", err)
			}
			c.now, c.until = made, now.Add(selfSignedFor-renewBefore)
		}
		return c.now, nil
	}
	if c.now != nil && now.Sub(c.checked) < recheckFiles {
		return c.now, nil
	}
	c.checked = now
	if err := c.reload(); err != nil && c.now == nil {
		return nil, err
	}
	return c.now, nil // half-written files leave the last pair in use
}

func (c *certificate) reload() error {
	var newest time.Time
	for _, file := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return fmt.Errorf("serving certificate: %w", err)
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if c.now != nil && newest.Equal(c.changed) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("serving certificate: %w", err)
	}
	c.now, c.changed = &pair, newest
	return nil
}

func selfSigned(name string, address net.IP, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(selfSignedFor),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{name},
		IPAddresses:  []net.IP{address},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
