package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/sim"
	"github.com/tidemill/tidemill/internal/sim/model"
)

var (
	fidelityTraces = flag.Int("traces", 80, "how many random traces TestModelIsFaithful plays to the model and to kube-apiserver")
	fidelityFrom   = flag.Int("trace-from", 1, "the first of them")
)

// poolCRD is the manifest of the Pool resource.
func poolCRD(t *testing.T) []byte {
	t.Helper()
	crd, err := sim.ReadCRD("../..")
	if err != nil {
		t.Fatal(err)
	}
	return crd
}

// newModel is an empty API server of the simulation.
func newModel(t *testing.T, scheme *runtime.Scheme, crd []byte) modelDoor {
	t.Helper()
	server, err := model.New(scheme, crd)
	if err != nil {
		t.Fatal(err)
	}
	return modelDoor{server}
}

// The simulation proves nothing that its API server does not do as the real one
// does. So the same random traces are played to both, request by request, and
// their answers compared: status, reason, every field that the model answers,
// versions and UIDs by which one it is, what watches tell and in which order. What
// the real one says beyond that must stand in one of the lists of
// fidelity_rules_test.go, each entry with its reason.
func TestModelIsFaithful(t *testing.T) {
	c, truth := controlPlaneOnly(t)
	crd := poolCRD(t)
	truth.prepare(t, crd)
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.RestartAPI(t.Context(), 0); err != nil { // so that its watches do not go back to the beginning
		t.Fatal(err)
	}
	requests, wrong := 0, 0
	for n := *fidelityFrom; n < *fidelityFrom+*fidelityTraces; n++ {
		p := &play{n: n, copy: newSide(newModel(t, scheme, crd)), truth: newSide(truth), trace: newTrace(n)}
		p.run(t)
		requests += p.requests
		for _, d := range p.differences {
			wrong++
			if wrong <= 60 {
				t.Errorf("trace %d: %s", n, d)
			}
		}
	}
	t.Logf("%d traces, %d requests, %d differences that no rule explains", *fidelityTraces, requests, wrong)
	if requests < 10**fidelityTraces {
		t.Errorf("%d requests in %d traces: nothing was compared", requests, *fidelityTraces)
	}
}

// A door answers requests.
type door interface {
	do(r model.Request) (status int, body []byte)
	// watch returns a function that hands out the next n events, or as many as there are.
	watch(r model.Request) (status int, body []byte, next func(n int) [][]byte)
}

type modelDoor struct{ *model.Server }

func (m modelDoor) do(r model.Request) (int, []byte) {
	a := m.Serve(&r)
	return a.Status, a.Body
}

func (m modelDoor) watch(r model.Request) (int, []byte, func(int) [][]byte) {
	a := m.Serve(&r)
	if a.Watch == nil {
		return a.Status, a.Body, nil
	}
	return a.Status, nil, func(int) [][]byte {
		var out [][]byte
		for a.Watch.Behind() {
			lines, ended := a.Watch.Next()
			for line := range bytes.Lines(lines) {
				if !bytes.Contains(line, []byte(`"BOOKMARK"`)) { // of which the real one sends more when time passes
					out = append(out, line)
				}
			}
			if ended {
				break
			}
		}
		return out
	}
}

// realDoor is a kube-apiserver.
type realDoor struct {
	client *http.Client
	host   string
}

// controlPlaneOnly is etcd and kube-apiserver, and nobody who would write.
func controlPlaneOnly(t *testing.T) (*Cluster, realDoor) {
	t.Helper()
	c := &Cluster{opts: Options{}.withDefaults(), joiner: newJoiner()}
	t.Cleanup(c.Stop)
	var err error
	if c.dir, c.ours, err = c.opts.makeDir(); err != nil {
		t.Fatal(err)
	}
	if c.log, c.closeLog, err = openLog(c.dir, c.opts); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := c.startControlPlane(ctx, context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(c.config)
	if err != nil {
		t.Fatal(err)
	}
	return c, realDoor{client, c.config.Host}
}

func (d realDoor) send(ctx context.Context, r model.Request) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, r.Method, d.host+r.Path+"?"+r.Query.Encode(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", r.ContentType)
	q.Header.Set("Accept", "application/json")
	return d.client.Do(q)
}

func (d realDoor) do(r model.Request) (int, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		a, err := d.send(ctx, r)
		if err != nil {
			return 0, []byte(err.Error())
		}
		body, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil {
			return 0, []byte(err.Error())
		}
		if !isStarting(a.StatusCode, body) {
			return a.StatusCode, body
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// isStarting is the answer of a server whose caches are not filled yet.
func isStarting(status int, body []byte) bool {
	return status == http.StatusTooManyRequests && bytes.Contains(body, []byte("initializing"))
}

func (d realDoor) watch(r model.Request) (int, []byte, func(int) [][]byte) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	a, err := d.send(ctx, r)
	if err != nil {
		cancel()
		return 0, []byte(err.Error()), nil
	}
	if a.StatusCode != http.StatusOK {
		defer cancel()
		defer a.Body.Close()
		body, _ := io.ReadAll(a.Body)
		if isStarting(a.StatusCode, body) {
			time.Sleep(20 * time.Millisecond)
			return d.watch(r)
		}
		return a.StatusCode, body, nil
	}
	return a.StatusCode, nil, func(n int) [][]byte {
		defer cancel()
		defer a.Body.Close()
		var out [][]byte
		decoder := json.NewDecoder(a.Body)
		for len(out) < n {
			var line json.RawMessage
			if decoder.Decode(&line) != nil {
				break
			}
			if !bytes.Contains(line, []byte(`"BOOKMARK"`)) {
				out = append(out, line)
			}
		}
		return out
	}
}

// prepare makes what the model has no need of: a namespace with the account that
// pods are admitted with, and the definition of the Pool resource.
func (d realDoor) prepare(t *testing.T, crd []byte) {
	t.Helper()
	definition, err := yaml.YAMLToJSON(crd)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ path, body string }{
		{"/api/v1/namespaces", `{"metadata":{"name":"fid"}}`},
		{"/api/v1/namespaces/fid/serviceaccounts", `{"metadata":{"name":"default"}}`},
		{"/apis/apiextensions.k8s.io/v1/customresourcedefinitions", string(definition)},
	} {
		if status, body := d.do(model.Request{Method: "POST", Path: r.path, Body: []byte(r.body), ContentType: "application/json"}); status != 201 {
			t.Fatalf("create %s: %d %s", r.path, status, body)
		}
	}
	eventually(t, func(context.Context) error {
		probe := `{"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool","metadata":{"name":"probe"},"spec":{"nodePoolID":"ocid1.nodepool.oc1..probe"}}`
		status, body := d.do(model.Request{Method: "POST", Path: "/apis/tidemill.dev/v1alpha1/pools", Body: []byte(probe), ContentType: "application/json"})
		if status != 201 && !strings.Contains(string(body), "AlreadyExists") {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}
