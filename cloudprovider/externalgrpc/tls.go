package externalgrpc

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// serverTLS asks clients for a certificate of the door's authority. The files
// are read again for each connection, of which a client makes one: what was
// renewed on disk is in force without a restart. Files that cannot be read
// refuse the connection and leave the others alone.
func serverTLS(d Door) (*tls.Config, error) {
	if _, err := readTLS(d); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return readTLS(d)
		},
	}, nil
}

func readTLS(d Door) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(d.Cert, d.Key)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s and key %s: %w", d.Cert, d.Key, err)
	}
	pem, err := os.ReadFile(d.CACert)
	if err != nil {
		return nil, fmt.Errorf("read authority of clients: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read authority of clients: there is no PEM certificate in %s", d.CACert)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
		ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		NextProtos: []string{"h2"},
	}, nil
}

// certificateName is the first name or address that a certificate is for, ""
// if there is none.
func certificateName(cert, key string) string {
	pair, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case err != nil || pair.Leaf == nil:
		return ""
	case len(pair.Leaf.DNSNames) > 0:
		return pair.Leaf.DNSNames[0]
	case len(pair.Leaf.IPAddresses) > 0:
		return pair.Leaf.IPAddresses[0].String()
	}
	return ""
}
