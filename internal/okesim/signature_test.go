package okesim

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/identity"
)

func TestSignedRequestsAreServed(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	id := c.pool("workers", 1)
	c.get(id)           // GET
	c.mustResize(id, 2) // PUT, with a body
	p := c.rest(id)
	_, err := c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: &p.Nodes[0].ID}) // DELETE, with a query parameter to sign
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnknownKeyIsRefused(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	stranger := New(Options{})
	path, err := stranger.NewCredentials(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := common.ConfigurationProviderFromFileWithProfile(path, "DEFAULT", "")
	if err != nil {
		t.Fatal(err)
	}
	c.connect(p)
	wantRefusal(t, c.listPools(), 401, "NotAuthenticated")
	if n := c.Calls()["ListNodePools"]; n != 0 {
		t.Errorf("an unauthenticated request was counted: %d", n)
	}
}

func TestWrongKeyUnderAKnownIDIsRefused(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	p := c.credentials()
	c.connect(p)
	if err := c.listPools(); err != nil {
		t.Fatal(err)
	}
	id, err := p.KeyID()
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c.AddKey(id, &other.PublicKey)
	wantRefusal(t, c.listPools(), 401, "NotAuthenticated")
}

// tamper changes a request after it was signed.
type tamper struct {
	next   http.RoundTripper
	change func(*http.Request)
}

func (m tamper) RoundTrip(r *http.Request) (*http.Response, error) {
	m.change(r)
	return m.next.RoundTrip(r)
}

func TestTamperedRequestsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"another path":     func(r *http.Request) { r.URL.Path = "/20180222/clusters" },
		"another query":    func(r *http.Request) { r.URL.RawQuery += "&limit=1" },
		"another host":     func(r *http.Request) { r.Host = "elsewhere" },
		"another date":     func(r *http.Request) { r.Header.Set("Date", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)) },
		"no authorization": func(r *http.Request) { r.Header.Del("Authorization") },
		"fewer headers covered": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "date (request-target) host", "date", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, Options{VerifySignatures: true})
			c.oke.HTTPClient = &http.Client{Transport: tamper{c.server.Client().Transport, change}}
			wantRefusal(t, c.listPools(), 401, "NotAuthenticated")
		})
	}
}

func TestTamperedBodyIsRefused(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	id := c.pool("workers", 1)
	c.oke.HTTPClient = &http.Client{Transport: tamper{c.server.Client().Transport, func(r *http.Request) {
		body := `{"nodeConfigDetails":{"size":9}}`
		r.Body = http.NoBody
		r.Body = readCloser{strings.NewReader(body)}
		r.ContentLength = int64(len(body))
	}}}
	_, err := c.resize(id, 2, nil)
	wantRefusal(t, err, 401, "NotAuthenticated")
	if got := c.rest(id).Size; got != 1 {
		t.Errorf("size is %d after a refused resize", got)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestOldDateIsRefused(t *testing.T) {
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for age, fits := range map[time.Duration]bool{0: true, 4 * time.Minute: true, -4 * time.Minute: true, 6 * time.Minute: false, -6 * time.Minute: false} {
		r.Header.Set("Date", time.Now().Add(-age).UTC().Format(http.TimeFormat))
		if got := checkDate(r) == nil; got != fits {
			t.Errorf("a date %v old: accepted %v, want %v", age, got, fits)
		}
	}
}

func TestTLS(t *testing.T) {
	certFile, keyFile, err := SelfSigned(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, Options{VerifySignatures: true})
	s := newTLSServer(t, c.Sim, certFile, keyFile)
	c.identity.Host = "https://" + s.addr
	c.identity.HTTPClient = s.client
	compartment := c.Compartment()
	ads, err := c.identity.ListAvailabilityDomains(t.Context(), identity.ListAvailabilityDomainsRequest{CompartmentId: &compartment})
	if err != nil || len(ads.Items) != 3 {
		t.Fatalf("got %v, %v", ads.Items, err)
	}
}

func (c *cloud) listPools() error {
	compartment := c.Compartment()
	_, err := c.oke.ListNodePools(c.t.Context(), containerengine.ListNodePoolsRequest{CompartmentId: &compartment})
	return err
}

func TestRevokedKeyIsRefused(t *testing.T) {
	c := newCloud(t, Options{VerifySignatures: true})
	if err := c.listPools(); err != nil {
		t.Fatal(err)
	}
	for _, id := range c.KeyIDs() {
		c.RevokeKey(id)
	}
	wantRefusal(t, c.listPools(), 401, "NotAuthenticated")
}
