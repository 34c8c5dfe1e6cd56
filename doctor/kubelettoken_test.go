package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// The token goes to a kubelet that the cluster's authority vouches for, and to
// nobody else.
func TestTokenGoesToKubeletsOnly(t *testing.T) {
	var mu sync.Mutex
	tokens, thief := map[string]string{}, ""
	serve := func(name string) *httptest.Server {
		s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			tokens[name] = r.Header.Get("Authorization")
			mu.Unlock()
			if name == "sends on" {
				http.Redirect(rw, r, thief, http.StatusFound)
				return
			}
			healthyKubelet(rw, r)
		}))
		t.Cleanup(s.Close)
		return s
	}
	node := func(name, address string) *corev1.Node {
		u, _ := url.Parse(address)
		host, port, _ := net.SplitHostPort(u.Host)
		n, _ := strconv.Atoi(port)
		out := &corev1.Node{}
		out.Name = name
		out.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: host}}
		out.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(n)
		return out
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		tokens["elsewhere"] = r.Header.Get("Authorization") + "!"
	}))
	t.Cleanup(elsewhere.Close)
	thief = elsewhere.URL
	good, sendsOn := serve("good"), serve("sends on")
	ca := authorityOf(t, good.Certificate())
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tokens["stranger"] = r.Header.Get("Authorization")
		mu.Unlock()
	}))
	stranger.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	stranger.StartTLS()
	t.Cleanup(stranger.Close)
	for _, careless := range []bool{false, true} {
		config := &rest.Config{Host: good.URL, BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
		if careless {
			config.Insecure, config.CAData = true, nil
		}
		k, err := Directly(config)
		if err != nil {
			t.Fatal(err)
		}
		views := k.Ask(context.Background(), []*corev1.Node{node("good", good.URL), node("stranger", stranger.URL), node("sends on", sendsOn.URL), {}}, time.Now())
		if !careless && !views["good"].Healthy {
			t.Errorf("good: %+v", views["good"])
		}
		if careless && views["good"].HealthErr == nil {
			t.Error("without an authority somebody was trusted")
		}
		if views["stranger"].HealthErr == nil || views[""].HealthErr == nil || views["sends on"].Healthy {
			t.Errorf("stranger %+v, nowhere %+v", views["stranger"], views[""])
		}
	}
	// The API server hands on what a kubelet answers.
	proxy, err := ThroughProxy(&rest.Config{Host: sendsOn.URL, BearerToken: "secret", TLSClientConfig: rest.TLSClientConfig{CAData: ca}})
	if err != nil {
		t.Fatal(err)
	}
	if views := proxy.Ask(t.Context(), []*corev1.Node{node("sends on", sendsOn.URL)}, time.Now()); views["sends on"].Healthy {
		t.Errorf("who sends others elsewhere is taken for well: %+v", views["sends on"])
	}
	if tokens["good"] != "Bearer secret" || tokens["stranger"] != "" || tokens["elsewhere"] != "" || tokens["sends on"] != "Bearer secret" {
		t.Errorf("tokens went to %v", tokens)
	}
}

func authorityOf(t *testing.T, c *x509.Certificate) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// selfSigned is the certificate of somebody whom no authority knows.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
