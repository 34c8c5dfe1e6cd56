package oke

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// environment is one that has these variables and no others.
func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestChooseAuth(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want Auth
		err  error
	}{
		{nil, AuthUnknown, nil},
		{map[string]string{"OCI_USE_INSTANCE_PRINCIPAL": "true"}, InstancePrincipal, nil},
		{map[string]string{"OKE_USE_INSTANCE_PRINCIPAL": "TRUE"}, InstancePrincipal, nil},
		{map[string]string{"OCI_USE_INSTANCE_PRINCIPAL": "false"}, AuthUnknown, nil},
		{map[string]string{"OCI_USE_INSTANCE_PRINCIPAL": "true", "OCI_USE_WORKLOAD_IDENTITY": "true"}, WorkloadIdentity, nil},
		{map[string]string{"OCI_CLI_AUTH": "security_token", "OCI_USE_WORKLOAD_IDENTITY": "true"}, SessionToken, nil},
		{map[string]string{"OCI_CLI_AUTH": "Instance-Principal"}, InstancePrincipal, nil},
		{map[string]string{"OCI_CLI_AUTH": "magic"}, AuthUnknown, cloudprovider.ErrInvalid},
	} {
		got, err := ChooseAuth(environment(c.env))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %v, %v; want %v, %v", c.env, got, err, c.want, c.err)
		}
	}
	for a := AuthUnknown; a <= ResourcePrincipal; a++ {
		if got, err := ParseAuth(a.String()); got != a || err != nil {
			t.Errorf("%v comes back as %v, %v", a, got, err)
		}
	}
	if Auth(99).String() != "auto" {
		t.Error("an unknown kind has a name")
	}
}

// signed is a cloud that checks signatures, with the tests' key registered under
// keyID, and options that reach it.
func signed(t *testing.T, keyID string) (*world, Options) {
	t.Helper()
	w := newWorld(t, okesim.Options{VerifySignatures: true})
	known, key := keyOf(t)
	if keyID == "" {
		keyID = known
	}
	w.sim.AddKey(keyID, key)
	return w, Options{
		Endpoint: w.server.URL, CompartmentID: w.sim.Compartment(), ClusterID: w.cluster, Log: slog.New(slog.DiscardHandler), Env: environment(nil),
	}
}

func reaches(t *testing.T, o Options) *Provider {
	t.Helper()
	p, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Pools(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// A pipeline has variables and no file.
func TestKeyFromTheEnvironment(t *testing.T) {
	_, o := signed(t, "")
	says := profile(config, "DEFAULT")
	text, err := os.ReadFile(says["key_file"])
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"OCI_CLI_USER": says["user"], "OCI_CLI_TENANCY": says["tenancy"], "OCI_CLI_FINGERPRINT": says["fingerprint"],
		"OCI_CLI_REGION": says["region"], "OCI_CLI_KEY_FILE": says["key_file"],
	}
	o.ConfigFile, o.Env = filepath.Join(t.TempDir(), "none"), environment(env)
	reaches(t, o)

	content := maps.Clone(env)
	delete(content, "OCI_CLI_KEY_FILE")
	content["OCI_CLI_KEY_CONTENT"] = string(text)
	o.Env = environment(content)
	reaches(t, o)

	// What the variables leave out is the profile's.
	o.ConfigFile, o.Env = config, environment(map[string]string{"OCI_CLI_USER": says["user"]})
	reaches(t, o)

	o.ConfigFile = filepath.Join(t.TempDir(), "none")
	for name, want := range map[string]string{"OCI_CLI_USER": "OCI_CLI_USER", "OCI_CLI_KEY_FILE": "OCI_CLI_KEY_CONTENT", "OCI_CLI_REGION": "region"} {
		less := maps.Clone(env)
		delete(less, name)
		o.Env = environment(less)
		if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// token is a security token that ends at a time.
func token(end time.Time) string {
	part := base64.RawURLEncoding.EncodeToString
	return strings.Join([]string{part([]byte(`{"alg":"RS256"}`)), part(fmt.Appendf(nil, `{"sub":"u","res_tenant":"ocid1.tenancy.oc1..t","exp":%d}`, end.Unix())), part([]byte("signature"))}, ".")
}

func TestSessionToken(t *testing.T) {
	dir := t.TempDir()
	says := profile(config, "DEFAULT")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tokenFile := write("token", token(time.Now().Add(time.Hour)))
	head := "[WORK]\nfingerprint=" + says["fingerprint"] + "\nkey_file=" + says["key_file"] + "\ntenancy=" + says["tenancy"] + "\nregion=us-ashburn-1\n"
	file := write("config", head+"security_token_file="+tokenFile+"\n")
	raw, _ := os.ReadFile(tokenFile)
	_, o := signed(t, "ST$"+string(raw))
	o.ConfigFile, o.Profile = file, "WORK"
	if p := reaches(t, o); p.who.auth != SessionToken { // the profile says so
		t.Errorf("authenticated as %v", p.who.auth)
	}
	o.Auth = SessionToken
	reaches(t, o)

	write("token", token(time.Now().Add(-time.Minute)))
	_, err := New(t.Context(), o)
	if !errors.Is(err, cloudprovider.ErrUnauthorized) || !strings.Contains(err.Error(), "oci session refresh --profile WORK") {
		t.Errorf("expired: %v", err)
	}
	o.ConfigFile = write("without", head)
	if _, err := New(t.Context(), o); !errors.Is(err, cloudprovider.ErrInvalid) || !strings.Contains(err.Error(), "security_token_file") {
		t.Errorf("no token file: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	if got := expiry(token(end)); !got.Equal(end) {
		t.Errorf("expiry %v, want %v", got, end)
	}
	for _, text := range []string{"", "a.b", "a.b.c", "a.e30.c", "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":"x"}`)) + ".c"} {
		if got := expiry(text); !got.IsZero() {
			t.Errorf("%q ends at %v", text, got)
		}
	}
}

// OCIDs in the wrong place are told as such: the service would say "not found".
func TestWrongOCIDs(t *testing.T) {
	const cluster, compartment = "ocid1.cluster.oc1.iad.aaaa", "ocid1.compartment.oc1..bbbb"
	for _, c := range []struct{ cluster, compartment, want string }{
		{compartment, compartment, "the OCID of a compartment"},
		{cluster, cluster, "the OCID of a cluster"},
		{"ocid1.nodepool.oc1.iad.aaaa", compartment, "the OCID of a nodepool"},
		{"ocid1.cluster.oc1", compartment, "cut short"},
		{cluster, compartment + " ", "white space"},
	} {
		_, err := New(t.Context(), Options{ConfigFile: config, ClusterID: c.cluster, CompartmentID: c.compartment})
		if !errors.Is(err, cloudprovider.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in %s: %v", c.cluster, c.compartment, err)
		}
	}
	if _, err := New(t.Context(), Options{ConfigFile: config, ClusterID: cluster, CompartmentID: "ocid1.tenancy.oc1..cccc"}); err != nil {
		t.Errorf("the root compartment: %v", err)
	}
}

// A refusal says which statement is missing, and when the clock is to blame.
func TestRefusalsAreExplained(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	w.sim.FailNext("ListNodePools", 1, okesim.HTTPFault{Status: 403, Code: "NotAllowed"})
	_, err := w.Pools(t.Context())
	want := "Allow group <a group of this user> to read cluster-node-pools in compartment id " + w.sim.Compartment()
	if !errors.Is(err, cloudprovider.ErrUnauthorized) || !strings.Contains(err.Error(), want) {
		t.Errorf("403: %v", err)
	}
	clock := ""
	w.server.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if clock != "" {
			rw.Header().Set("Date", clock)
		}
		rw.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(rw, `{"code":"NotAuthenticated","message":"The required information to complete authentication was not provided or was incorrect."}`)
	})
	for _, c := range []struct {
		off        time.Duration
		want, not_ string
	}{
		{7 * time.Minute, "behind OCI's", "fingerprint"},
		{-7 * time.Minute, "ahead of OCI's", "fingerprint"},
		{0, "compare the fingerprint", "clock"},
	} {
		clock = time.Now().Add(c.off).UTC().Format(http.TimeFormat)
		_, err := w.Pools(t.Context())
		if !errors.Is(err, cloudprovider.ErrUnauthorized) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.not_) {
			t.Errorf("clock off by %v: %v", c.off, err)
		}
	}
	clock = time.Now().Add(420 * time.Second).UTC().Format(http.TimeFormat)
	if _, err := w.Pools(t.Context()); !strings.Contains(err.Error(), "is 420 s behind") && !strings.Contains(err.Error(), "is 419 s behind") {
		t.Errorf("the seconds are not told: %v", err)
	}
}

// A service behind a company's own authority is reached with a bundle, and not
// without it.
func TestCABundleAndEndpoints(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	server := httptest.NewUnstartedServer(w.sim)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of the handshake that is refused on purpose
	server.StartTLS()
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{ConfigFile: config, ContainerEngineEndpoint: server.URL, ComputeEndpoint: w.server.URL, CompartmentID: w.sim.Compartment(), ClusterID: w.cluster,
		Log: slog.New(slog.DiscardHandler), Env: environment(nil), CABundle: bundle}
	p := reaches(t, o)
	if p.compute.Host != w.server.URL || p.reads.Host != server.URL || p.writes.Host != server.URL {
		t.Errorf("endpoints %s, %s, %s", p.compute.Host, p.reads.Host, p.writes.Host)
	}
	o.CABundle, o.Env = "", environment(map[string]string{"OCI_DEFAULT_CERTS_PATH": bundle})
	reaches(t, o)

	o.Env = environment(nil)
	p, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p.readPolicy.tries = 1
	var unknown x509.UnknownAuthorityError
	if _, err := p.Pools(t.Context()); !errors.As(err, &unknown) || !strings.Contains(err.Error(), "bundle") {
		t.Errorf("without the bundle: %v", err)
	}
	o.CABundle = config
	if _, err := New(t.Context(), o); !errors.Is(err, cloudprovider.ErrInvalid) {
		t.Errorf("a bundle without certificates: %v", err)
	}
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// An empty list has a reason, or is an error: it would mean that all pools are
// gone.
func TestEmptyForAReason(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	if list, err := w.Pools(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("a cluster without pools: %v, %v", list, err)
	}
	w.addPool(okesim.Pool{Size: 1})
	elsewhere := w.driver()
	elsewhere.compartment = w.sim.Tenancy()
	if list, err := elsewhere.Pools(t.Context()); !errors.Is(err, cloudprovider.ErrNotFound) || !strings.Contains(err.Error(), "is in compartment "+w.sim.Compartment()) {
		t.Errorf("another compartment: %v, %v", list, err)
	}
	other := w.driver()
	other.cluster = "ocid1.cluster.oc1.iad.nobody"
	if list, err := other.Pools(t.Context()); !errors.Is(err, cloudprovider.ErrNotFound) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("another cluster: %v, %v", list, err)
	}
}
