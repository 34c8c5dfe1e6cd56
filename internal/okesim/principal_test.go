package okesim

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/common/auth"
)

// The SDK's instance principal, end to end: metadata, certificate, federation, and a signed call that is believed.
func TestInstancePrincipal(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	node := c.rest(c.pool("workers", 1)).Nodes[0].ID
	handler, err := c.Metadata(node)
	if err != nil {
		t.Fatal(err)
	}
	metadata := httptest.NewServer(handler)
	t.Cleanup(metadata.Close)
	t.Setenv("OCI_METADATA_BASE_URL", metadata.URL+"/opc/v2")
	t.Setenv("OCI_SDK_AUTH_CLIENT_REGION_URL", c.server.URL)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	p, err := auth.InstancePrincipalConfigurationForRegionWithCustomClient(common.RegionIAD, func(common.HTTPRequestDispatcher) (common.HTTPRequestDispatcher, error) { return client, nil })
	if err != nil {
		t.Fatal(err)
	}
	c.connect(p)
	id := c.Pools()[0].ID
	c.get(id)
	if who := c.lastCaller(); who.Type != "instance" || who.ID != node {
		t.Errorf("the caller is %+v", who)
	}
	for _, key := range c.KeyIDs() {
		c.RevokeKey(key)
	}
	_, err = c.resize(id, 2, nil)
	wantRefusal(t, err, 401, "NotAuthenticated")
}

func (c *cloud) lastCaller() Principal {
	c.Sim.mu.Lock()
	defer c.Sim.mu.Unlock()
	return c.Sim.caller
}

func TestMetadata(t *testing.T) {
	c := newCloud(t, Options{})
	node := c.rest(c.pool("workers", 1)).Nodes[0]
	handler, err := c.Metadata(node.ID)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, header bool) (int, string) {
		r := httptest.NewRequest("GET", path, nil)
		if header {
			r.Header.Set("Authorization", "Bearer Oracle")
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if status, _ := get("/opc/v2/instance/id", false); status != 403 {
		t.Errorf("v2 without its header: %d", status)
	}
	if status, text := get("/opc/v1/instance/id", false); status != 200 || text != node.ID {
		t.Errorf("v1: %d %q", status, text)
	}
	if status, text := get("/opc/v2/instance/", true); status != 200 {
		t.Errorf("instance: %d %s", status, text)
	} else {
		var document struct{ ID, Region, CanonicalRegionName, OCIAdName, State string }
		if err := json.Unmarshal([]byte(text), &document); err != nil || document.ID != node.ID || document.Region != "iad" || document.CanonicalRegionName != "us-ashburn-1" || document.State != "Running" {
			t.Errorf("instance %+v, %v", document, err)
		}
	}
	if _, text := get("/opc/v2/instance/metadata/oke-pool-id", true); text != c.Pools()[0].ID {
		t.Errorf("pool %q", text)
	}
	if _, text := get("/opc/v2/vnics/", true); text == "" {
		t.Error("no vnics")
	}
	if status, _ := get("/opc/v2/instance/nothing", true); status != 404 {
		t.Errorf("unknown path: %d", status)
	}
	c.KillInstance(node.ID)
	if status, _ := get("/opc/v2/instance/id", true); status != 503 {
		t.Errorf("metadata of a dead instance: %d", status)
	}
}

// podToken is a service account token as far as the SDK looks: three parts, and a time of expiry.
func podToken(subject string) string {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return encode(`{"alg":"none"}`) + "." + encode(`{"exp":4102444800,"sub":"`+subject+`"}`) + "." + encode("signature")
}

// The SDK's workload identity, end to end over TLS. Its port is a constant, so the proxymux gets a loopback address of its own.
func TestWorkloadIdentity(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(255), 1+rand.IntN(254))
	dir := t.TempDir()
	cert, key, err := SelfSigned(dir, host)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", host+":12250")
	if err != nil {
		t.Fatal(err)
	}
	basic := c.AddCluster(Cluster{Type: "BASIC_CLUSTER"})
	cluster := c.cluster
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.WorkloadIdentity(cluster, func(token string) (string, string, error) {
			if token != podToken("pod") {
				return "", "", errors.New("unknown token")
			}
			return "kube-system", "tidemill", nil
		}).ServeHTTP(w, r)
	})}
	go func() { _ = server.ServeTLS(listener, cert, key) }()
	t.Cleanup(func() { _ = server.Close() })
	t.Setenv("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2")
	t.Setenv("OCI_RESOURCE_PRINCIPAL_REGION", "us-ashburn-1")
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", filepath.Join(dir, "tls.crt"))

	provider := func(token string) error {
		p, err := auth.OkeWorkloadIdentityConfigurationProviderWithServiceAccountTokenProvider(auth.NewSuppliedServiceAccountTokenProvider(token))
		if err != nil {
			return err
		}
		if _, err := p.KeyID(); err != nil {
			return err
		}
		c.connect(p)
		return nil
	}
	if err := provider(podToken("other")); err == nil {
		t.Error("a wrong service account token was accepted")
	}
	if err := provider(podToken("pod")); err != nil {
		t.Fatal(err)
	}
	c.get(c.pool("workers", 1))
	if who := c.lastCaller(); who != (Principal{Type: "workload", Namespace: "kube-system", ServiceAccount: "tidemill", ClusterID: c.cluster}) {
		t.Errorf("the caller is %+v", who)
	}
	cluster = basic
	if err := provider(podToken("pod")); err == nil {
		t.Error("a basic cluster has no workload identity")
	}
}

func TestFederationRefusesStrangers(t *testing.T) {
	c := newCloud(t, Options{})
	other := New(Options{Region: "us-phoenix-1"})
	t.Cleanup(other.Close)
	stranger, err := other.instanceCertificate(Instance{ID: "ocid1.instance.oc1.phx.x", PrivateIP: "10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"certificate": string(stranger.cert), "publicKey": "x"})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"not json": "{", "no certificate": "{}", "another authority": string(body)} {
		r := httptest.NewRequest("POST", "/v1/x509", nil)
		r.Body = io.NopCloser(strings.NewReader(text))
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		if w.Code != 400 && w.Code != 401 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
