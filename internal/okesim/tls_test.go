package okesim

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"testing"
)

type tlsServer struct {
	addr   string
	client *http.Client
}

// newTLSServer serves h on loopback with the files of SelfSigned, and gives a client that trusts only them.
func newTLSServer(t *testing.T, h http.Handler, certFile, keyFile string) tlsServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(l, certFile, keyFile)
	}()
	pem, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the file")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-done
	})
	return tlsServer{l.Addr().String(), &http.Client{Transport: transport}}
}
