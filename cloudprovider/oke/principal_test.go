package oke

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

const here = `{"id":"ocid1.instance.oc1.iad.me","compartmentId":"ocid1.compartment.oc1..mine","canonicalRegionName":"us-ashburn-1","region":"iad",
	"metadata":{"oke-cluster-id":"ocid1.cluster.oc1.iad.mine","oke-pool-id":"ocid1.nodepool.oc1.iad.mine","ssh_authorized_keys":"ssh-rsa A"}}`

// metadataService is an instance's metadata service and the federation endpoint beside
// it: both of what the SDK asks to become the instance.
func metadataService(t *testing.T, accept func(keyID string, key *rsa.PublicKey)) *httptest.Server {
	t.Helper()
	leaf := newKey(t)
	cert := certificate(t, leaf, pkix.Name{CommonName: "instance", OrganizationalUnit: []string{"opc-tenant:ocid1.tenancy.oc1..t"}}, nil)
	bearer := token(time.Now().Add(time.Hour))
	texts := map[string]string{
		"/opc/v2/instance/": here, "/opc/v2/instance/region": "iad", "/opc/v2/identity/cert.pem": cert, "/opc/v2/identity/intermediate.pem": cert,
		"/opc/v2/identity/key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(leaf)})),
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/x509" && r.Method == http.MethodPost {
			var ask struct {
				PublicKey string `json:"publicKey"`
			}
			_ = json.NewDecoder(r.Body).Decode(&ask)
			accept("ST$"+bearer, publicKey(t, ask.PublicKey))
			_ = json.NewEncoder(w).Encode(map[string]string{"token": bearer})
			return
		}
		text, ok := texts[r.URL.Path]
		if !ok || r.Header.Get("Authorization") != "Bearer Oracle" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

func publicKey(t *testing.T, text string) *rsa.PublicKey {
	for _, frame := range []string{"-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----", "\n"} {
		text = strings.ReplaceAll(text, frame, "")
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Errorf("public key: %v", err)
		return nil
	}
	key, err := x509.ParsePKIXPublicKey(raw)
	if err != nil {
		t.Errorf("public key: %v", err)
		return nil
	}
	return key.(*rsa.PublicKey)
}

func certificate(t *testing.T, key *rsa.PrivateKey, name pkix.Name, ip net.IP) string {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: name, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	if ip != nil {
		c.IPAddresses = []net.IP{ip}
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}

// The machine becomes a principal, and the service accepts what it signs.
func TestInstancePrincipal(t *testing.T) {
	w := newWorld(t, okesim.Options{VerifySignatures: true})
	m := metadataService(t, w.sim.AddKey)
	t.Setenv("OCI_METADATA_BASE_URL", m.URL+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", m.URL)
	env := map[string]string{"OCI_USE_INSTANCE_PRINCIPAL": "true", "OCI_METADATA_BASE_URL": m.URL + "/opc/v2"}
	p := reaches(t, Options{Endpoint: w.server.URL, CompartmentID: w.sim.Compartment(), ClusterID: w.cluster, Log: slog.New(slog.DiscardHandler), Env: environment(env)})
	if p.who.auth != InstancePrincipal || !strings.Contains(p.who.who, "ocid1.instance.oc1.iad.me") {
		t.Errorf("authenticated as %+v", p.who)
	}
	id := w.addPool(okesim.Pool{Size: 0})
	if err := p.Resize(t.Context(), id, 0, 1); err != nil { // a signed body
		t.Fatal(err)
	}
}

// Nothing is there to become: told in seconds and not in the SDK's two minutes.
func TestNoMetadataService(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	start := time.Now()
	o := Options{Auth: InstancePrincipal, CompartmentID: "c", ClusterID: "k", Env: environment(map[string]string{"OCI_METADATA_BASE_URL": "http://" + address + "/opc/v2"})}
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "instance of OCI") {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestDiscover(t *testing.T) {
	m := metadataService(t, func(string, *rsa.PublicKey) {})
	got, err := Discover(t.Context(), environment(map[string]string{"OCI_METADATA_BASE_URL": m.URL + "/opc/v2/"}))
	want := Here{InstanceID: "ocid1.instance.oc1.iad.me", CompartmentID: "ocid1.compartment.oc1..mine", Region: "us-ashburn-1",
		ClusterID: "ocid1.cluster.oc1.iad.mine", PoolID: "ocid1.nodepool.oc1.iad.mine"}
	if err != nil || got != want {
		t.Errorf("discovered %+v, %v", got, err)
	}
	if h, err := parseHere([]byte(`{"id":"i","region":"iad"}`)); err != nil || h.Region != "us-ashburn-1" || h.ClusterID != "" {
		t.Errorf("a machine that is no worker: %+v, %v", h, err)
	}
	for _, text := range []string{"", "[]", "{}", "<html>"} {
		if h, err := parseHere([]byte(text)); err == nil {
			t.Errorf("%q is %+v", text, h)
		}
	}
}

// proxymux is the token service of an enhanced cluster. The SDK has its port in
// a constant: an address of loopback that nobody else uses keeps it free.
func proxymux(t *testing.T, accept func(keyID string, key *rsa.PublicKey), enhanced bool) (address, ca string) {
	t.Helper()
	address = "127.61.12.1"
	key := newKey(t)
	ca = certificate(t, key, pkix.Name{CommonName: "proxymux"}, net.ParseIP(address))
	l, err := net.Listen("tcp", address+":12250")
	if err != nil {
		t.Fatal(err)
	}
	bearer := token(time.Now().Add(time.Hour))
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string]string{certFile: ca, keyFile: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !enhanced || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		var ask struct {
			PodKey string `json:"podKey"`
		}
		_ = json.NewDecoder(r.Body).Decode(&ask)
		accept("ST$"+bearer, publicKey(t, ask.PodKey))
		answer, _ := json.Marshal(map[string]string{"token": "ST$" + bearer})
		fmt.Fprintf(w, "%q", base64.StdEncoding.EncodeToString(answer)) // to the byte: the SDK cuts off the quotes unread
	})}
	t.Cleanup(func() { s.Close() })
	go func() { _ = s.ServeTLS(l, certFile, keyFile) }()
	return address, certFile
}

// A pod in an enhanced cluster is its service account; in a basic one it is told
// what to use instead.
func TestWorkloadIdentity(t *testing.T) {
	for _, enhanced := range []bool{true, false} {
		t.Run(fmt.Sprintf("enhanced=%v", enhanced), func(t *testing.T) {
			w := newWorld(t, okesim.Options{VerifySignatures: true})
			address, ca := proxymux(t, w.sim.AddKey, enhanced)
			t.Setenv("KUBERNETES_SERVICE_HOST", address)
			t.Setenv("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", ca)
			t.Setenv("OCI_RESOURCE_PRINCIPAL_VERSION", "")
			t.Setenv("OCI_RESOURCE_PRINCIPAL_REGION", "")
			o := Options{Auth: WorkloadIdentity, Region: "us-ashburn-1", Endpoint: w.server.URL, CompartmentID: w.sim.Compartment(), ClusterID: w.cluster, Log: slog.New(slog.DiscardHandler),
				ServiceAccountToken: token(time.Now().Add(time.Hour))}
			if enhanced {
				reaches(t, o)
				return
			}
			_, err := New(t.Context(), o)
			if !errors.Is(err, cloudprovider.ErrUnauthorized) || !strings.Contains(err.Error(), "instance_principal on a basic one") {
				t.Errorf("basic cluster: %v", err)
			}
		})
	}
}

func TestLinkLocalGoesByNoProxy(t *testing.T) {
	proxy := exceptLinkLocal(func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy:3128") })
	for address, want := range map[string]bool{"http://169.254.169.254/opc/v2/": false, "https://iaas.us-ashburn-1.oraclecloud.com": true, "http://[fe80::1]/": false} {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if u, err := proxy(r); err != nil || (u != nil) != want {
			t.Errorf("%s goes by %v, %v", address, u, err)
		}
	}
}

// The environment's proxy carries all requests. The standard library reads those
// variables once in a process, so that this takes one of its own.
func TestProxyFromTheEnvironment(t *testing.T) {
	if cluster := os.Getenv("OKE_TEST_PROXIED_CLUSTER"); cluster != "" {
		p, err := New(t.Context(), Options{ConfigFile: os.Getenv("OKE_TEST_CONFIG"), Endpoint: "http://containerengine.example.test", CompartmentID: os.Getenv("OKE_TEST_COMPARTMENT"), ClusterID: cluster})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Pools(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	w := newWorld(t, okesim.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProxyFromTheEnvironment$")
	child.Env = append(os.Environ(), "HTTP_PROXY="+w.server.URL, "http_proxy="+w.server.URL, "NO_PROXY=", "no_proxy=",
		"OKE_TEST_PROXIED_CLUSTER="+w.cluster, "OKE_TEST_COMPARTMENT="+w.sim.Compartment(), "OKE_TEST_CONFIG="+config)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("behind a proxy: %v\n%s", err, out)
	}
	if w.sim.Calls()["ListNodePools"] != 1 {
		t.Errorf("the proxy saw %v", w.sim.Calls())
	}
}
