package oke

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// Bad configuration is told before any call, in one line, with what to do.
func TestNewSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	without := func(key string) string {
		var kept []string
		for _, line := range strings.Split(string(good), "\n") {
			if !strings.HasPrefix(line, key+"=") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "\n")
	}
	notKey := write("not-a-key.pem", "hello")
	for _, c := range []struct {
		name string
		o    Options
		want string // in the error
		is   error
	}{
		{"no file", Options{ConfigFile: filepath.Join(dir, "none")}, "oci setup config", fs.ErrNotExist},
		{"empty file", Options{ConfigFile: write("empty", "")}, "empty", nil},
		{"no such profile", Options{ConfigFile: config, Profile: "PROD"}, "PROD", nil},
		{"no user", Options{ConfigFile: write("user", without("user"))}, "profile DEFAULT", nil},
		{"no tenancy", Options{ConfigFile: write("tenancy", without("tenancy"))}, "tenancy", nil},
		{"no fingerprint", Options{ConfigFile: write("fingerprint", without("fingerprint"))}, "fingerprint", nil},
		{"no region", Options{ConfigFile: write("region", without("region"))}, "region", nil},
		{"no key file", Options{ConfigFile: write("nokey", without("key_file"))}, "API key", nil},
		{"key file missing", Options{ConfigFile: write("keymissing", without("key_file")+"\nkey_file=/nowhere/key.pem\n")}, "API key", nil},
		{"key is no key", Options{ConfigFile: write("keybad", without("key_file")+"\nkey_file="+notKey+"\n")}, "PEM", nil},
		{"endpoint with a path", Options{ConfigFile: config, Endpoint: "http://127.0.0.1:1/x"}, "scheme and host", cloudprovider.ErrInvalid},
		{"endpoint without a scheme", Options{ConfigFile: config, Endpoint: "127.0.0.1:1"}, "scheme and host", cloudprovider.ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.CompartmentID, c.o.ClusterID = "c", "k"
			_, err := New(t.Context(), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error is %q, want one line with %q", err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is no %v", err, c.is)
			}
		})
	}
	if _, err := New(t.Context(), Options{ConfigFile: config}); !errors.Is(err, cloudprovider.ErrInvalid) {
		t.Errorf("no cluster: %v", err)
	}
	if _, err := New(t.Context(), Options{ConfigFile: write("region2", without("region")), Region: "us-phoenix-1", CompartmentID: "c", ClusterID: "k"}); err != nil {
		t.Errorf("region from the options: %v", err)
	}
}

// The emulator checks signatures: a key that it does not know is refused, and
// the error says whose key it was.
func TestWrongKey(t *testing.T) {
	w := newWorld(t, okesim.Options{VerifySignatures: true})
	_, err := w.Pools(t.Context())
	if !errors.Is(err, cloudprovider.ErrUnauthorized) || !strings.Contains(err.Error(), "fingerprint") || !strings.Contains(err.Error(), "ocid1.user") {
		t.Fatalf("error is %v", err)
	}
	w.sim.AddKey(keyOf(t))
	if _, err := w.Pools(t.Context()); err != nil {
		t.Fatalf("with the right key: %v", err)
	}
	id := w.addPool(okesim.Pool{Size: 0})
	if err := w.Resize(t.Context(), id, 0, 1); err != nil { // a signed body
		t.Fatal(err)
	}
}

// keyOf is the key of the tests' configuration file.
func keyOf(t *testing.T) (keyID string, key *rsa.PublicKey) {
	t.Helper()
	values := map[string]string{}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			values[k] = v
		}
	}
	file, err := os.ReadFile(values["key_file"])
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(file)
	private, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return values["tenancy"] + "/" + values["user"] + "/" + values["fingerprint"], &private.PublicKey
}

func TestUnreachableEndpoint(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	w.server.Close()
	_, err := w.Pools(t.Context())
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Fatalf("error is %v", err)
	}
}

// A caller who gives up is let go at once, with the call still under way.
func TestCancelledWhileTheServiceThinks(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	w.sim.FailNext("ListNodePools", 1, okesim.HTTPFault{Delay: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := w.Pools(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// All of a region's services are spoken to at the one endpoint, and the region's
// own otherwise.
func TestEndpoints(t *testing.T) {
	p, err := New(t.Context(), Options{ConfigFile: config, Region: "eu-frankfurt-1", CompartmentID: "c", ClusterID: "k", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{p.reads.Host, p.writes.Host, p.compute.Host} {
		if !strings.HasPrefix(host, "https://") || !strings.Contains(host, "eu-frankfurt-1") {
			t.Errorf("host %q", host)
		}
	}
	if p.reads.Configuration.CircuitBreaker != nil || p.writes.Configuration.CircuitBreaker != nil || p.compute.Configuration.CircuitBreaker != nil {
		t.Error("a circuit breaker is on")
	}
}
