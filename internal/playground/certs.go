package playground

import (
	"crypto"
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

// An authority is the cluster's certificate authority: it signs the API
// server's own certificate, so that every kubeconfig verifies the server the
// ordinary way, and the client certificates of the components. It lives in
// memory and in the cluster's directory, and dies with both.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// A certFiles names a PEM pair on disk. kube-apiserver takes paths, not bytes.
type certFiles struct{ Cert, Key string }

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate CA key: %w", err)
	}
	a := &authority{dir: dir, key: key}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "playground-ca"},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	a.cert = template // self-signed: the template is its own parent
	if _, err := a.issue("ca", template, key); err != nil {
		return nil, err
	}
	der, err := os.ReadFile(a.path("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	block, _ := pem.Decode(der)
	a.cert, err = x509.ParseCertificate(block.Bytes)
	return a, err
}

// bundle is the path of the CA certificate in PEM.
func (a *authority) bundle() string { return a.path("ca.crt") }

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// server issues the API server's certificate for the names and addresses under
// which a client may reach it.
func (a *authority) server(ips []net.IP, names []string) (certFiles, error) {
	return a.leaf("apiserver", &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		IPAddresses: ips,
		DNSNames:    names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// client issues a client certificate: Kubernetes reads the common name as the
// user and each organization as a group.
func (a *authority) client(file, user string, groups ...string) (certFiles, error) {
	return a.leaf(file, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *authority) leaf(file string, template *x509.Certificate) (certFiles, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certFiles{}, fmt.Errorf("generate key %s: %w", file, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	return a.issue(file, template, key)
}

// issue signs template for key and writes FILE.crt and FILE.key. The validity
// starts an hour back, so that a clock stepped by a minute cannot break a start.
func (a *authority) issue(file string, template *x509.Certificate, key crypto.Signer) (certFiles, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return certFiles{}, fmt.Errorf("draw serial of %s: %w", file, err)
	}
	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.AddDate(1, 0, 0)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return certFiles{}, fmt.Errorf("sign %s: %w", file, err)
	}
	f := certFiles{Cert: a.path(file + ".crt"), Key: a.path(file + ".key")}
	if err := writePEM(f.Cert, "CERTIFICATE", der); err != nil {
		return certFiles{}, err
	}
	return f, writeKey(f.Key, key)
}

// signingKey writes a fresh key pair for service-account tokens and returns its path.
func (a *authority) signingKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("generate service-account key: %w", err)
	}
	path := a.path("sa.key")
	return path, writeKey(path, key)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		return fmt.Errorf("encode key %s: %w", filepath.Base(path), err)
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

func readECKey(path string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read key %s: no PEM block", filepath.Base(path))
	}
	return x509.ParseECPrivateKey(block.Bytes)
}
