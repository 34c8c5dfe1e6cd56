package okesim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5" // the fingerprint of an OCI API key is defined as an MD5 of its DER form
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// NewCredentials writes a new API key ("api_key.pem") and an OCI configuration file ("config", profile DEFAULT) into dir and
// makes the key known. The configuration format has no field for an endpoint: the one given is written as a comment, for people.
func (s *Sim) NewCredentials(dir, endpoint string) (configPath string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("write credentials: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("write credentials: %w", err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("make api key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encode api key: %w", err)
	}
	fingerprint := strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintf("% x", md5.Sum(der)), " ", ":"), ":")
	user := ocid("user", "", fingerprint)
	keyPath := filepath.Join(dir, "api_key.pem")
	if err := writePEM(keyPath, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)); err != nil {
		return "", err
	}
	config := fmt.Sprintf("# Emulated OCI. Point the clients at: %s\n[DEFAULT]\nuser=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file=%s\n",
		endpoint, user, fingerprint, s.Tenancy(), s.opt.Region, keyPath)
	configPath = filepath.Join(dir, "config")
	if err := os.WriteFile(configPath, []byte(config), 0o600); err != nil {
		return "", fmt.Errorf("write credentials: %w", err)
	}
	s.AddKey(s.Tenancy()+"/"+user+"/"+fingerprint, &key.PublicKey)
	return configPath, nil
}

// SelfSigned writes a certificate for localhost, 127.0.0.1, ::1 and more hosts (names or addresses) and its key into dir. It is its own authority:
// a client trusts it by taking the certificate file as CA bundle (the OCI SDK: OCI_DEFAULT_CERTS_PATH).
func SelfSigned(dir string, hosts ...string) (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make tls key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "okesim"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", fmt.Errorf("make tls certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("encode tls key: %w", err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := writePEM(keyFile, "PRIVATE KEY", keyDER); err != nil {
		return "", "", err
	}
	return certFile, keyFile, writePEM(certFile, "CERTIFICATE", der)
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", strings.ToLower(kind), err)
	}
	return nil
}
