package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// TLS are the files of a client of the engine's port.
type TLS struct{ CA, Cert, Key string }

// port is where an engine with TLS listens.
const port = "2376"

// certify writes an authority of this engine alone, and a server's and a client's certificate, into its directory.
func (e *Engine) certify() error {
	ca, caKey, err := e.issue("ca", nil, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "private engine"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		return err
	}
	if _, _, err = e.issue("server", ca, caKey, &x509.Certificate{
		Subject: pkix.Name{CommonName: "dockerd"}, IPAddresses: []net.IP{net.ParseIP(e.Address)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}); err != nil {
		return err
	}
	_, _, err = e.issue("client", ca, caKey, &x509.Certificate{
		Subject: pkix.Name{CommonName: "capsulet"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	e.TLS = TLS{CA: e.pem("ca"), Cert: e.pem("client"), Key: e.pem("client-key")}
	return err
}

func (e *Engine) pem(name string) string { return filepath.Join(e.run, name+".pem") }

// issue writes a key and a certificate that parent signs, itself when there is none.
func (e *Engine) issue(name string, parent *x509.Certificate, signer *ecdsa.PrivateKey, c *x509.Certificate,
) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, signer = c, key
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", name, err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	for file, block := range map[string]*pem.Block{
		name: {Type: "CERTIFICATE", Bytes: der}, name + "-key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(e.pem(file), pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, nil, err
		}
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}
