package doctor

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// sickbay is some kubelets, each by its name, behind what stands for the API server.
type sickbay struct {
	mu    sync.Mutex
	says  map[string]http.HandlerFunc
	asked map[string]int
}

func newSickbay(t *testing.T, names ...string) (*sickbay, *Kubelets, []*corev1.Node) {
	t.Helper()
	w := &sickbay{says: map[string]http.HandlerFunc{}, asked: map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		part := strings.Split(r.URL.Path, "/") // /api/v1/nodes/NAME/proxy/WHAT
		name, what := part[4], part[len(part)-1]
		w.mu.Lock()
		w.asked[name]++
		say := w.says[name]
		w.mu.Unlock()
		if say == nil || part[5] != "proxy" {
			say = healthyKubelet
		}
		r.URL.Path = "/" + what
		say(rw, r)
	}))
	t.Cleanup(s.Close)
	k, err := ThroughProxy(&rest.Config{Host: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*corev1.Node
	for _, name := range names {
		n := &corev1.Node{}
		n.Name = name
		nodes = append(nodes, n)
	}
	return w, k, nodes
}

// askedOf is how often a kubelet was asked so far.
func (w *sickbay) askedOf(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[name]
}

func healthyKubelet(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/healthz":
		fmt.Fprint(rw, "ok")
	case "/configz":
		fmt.Fprint(rw, `{"kubeletconfig":{"maxPods":110,"providerID":"ocid1"}}`)
	case "/metrics":
		fmt.Fprint(rw, strings.Replace(metricsText, "1.7723664e+09", strconv.FormatInt(time.Now().Unix(), 10), 1))
	default:
		http.NotFound(rw, r)
	}
}

// Whatever a kubelet answers, or does not, the others are heard, and the whole is
// over in time.
func TestKubeletsOfAllKinds(t *testing.T) {
	hang := make(chan struct{})
	var sent atomic.Int64
	w, k, nodes := newSickbay(t, "well", "ill", "forbids", "never", "drips", "garbage", "endless", "away", "breaks")
	t.Cleanup(func() { close(hang) })
	w.says["ill"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			rw.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(rw, healthText)
			return
		}
		healthyKubelet(rw, r)
	}
	w.says["forbids"] = func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprint(rw, "Forbidden (user=x, verb=get, resource=nodes, subresource(s)=[healthz proxy])")
	}
	w.says["never"] = func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}
	w.says["drips"] = func(rw http.ResponseWriter, r *http.Request) {
		for range 100 {
			fmt.Fprint(rw, "#")
			rw.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	w.says["garbage"] = func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("\x00\xff\x1b[31m{{{")) }
	w.says["endless"] = func(rw http.ResponseWriter, _ *http.Request) {
		for range 40 << 10 {
			if _, err := rw.Write(make([]byte, 1<<10)); err != nil {
				return
			}
			sent.Add(1 << 10)
		}
	}
	w.says["away"] = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(rw, `{"kind": "Status","status":"Failure","message":"error trying to reach service: dial tcp 10.0.1.7:10250: i/o timeout","code":503}`)
	}
	w.says["breaks"] = func(rw http.ResponseWriter, _ *http.Request) {
		c, _, err := rw.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}
	// Those that hang are given a moment, and the others as long as a busy machine
	// may take.
	hanging := func(n *corev1.Node) bool { return n.Name == "never" || n.Name == "drips" }
	k.Timeout, k.Budget = time.Minute, time.Minute
	views := maps.Clone(k.Ask(t.Context(), slices.DeleteFunc(slices.Clone(nodes), hanging), time.Now()))
	k.Timeout = 300 * time.Millisecond
	began := time.Now()
	for name, v := range k.Ask(t.Context(), slices.DeleteFunc(slices.Clone(nodes), func(n *corev1.Node) bool { return !hanging(n) }), began) {
		views[name] = v
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("to be given no answer took %s", took)
	}
	if n := sent.Load(); n > maxMetrics+8<<20 {
		t.Errorf("%d bytes were taken from one that does not end", n)
	}
	if v := views["well"]; !v.Healthy || v.HealthErr != nil || v.Config["maxPods"] != "110" || v.Metrics == nil || len(v.Starts) != 1 {
		t.Errorf("well: %+v", v)
	}
	if v := views["ill"]; v.Healthy || v.HealthErr != nil || !strings.Contains(unwell(v.Health), "syncloop") || v.Metrics == nil {
		t.Errorf("ill: %+v", v)
	}
	if got, want := fmt.Sprint(views["away"].HealthErr), "get /healthz: the API server answers 503: error trying to reach service: dial tcp 10.0.1.7:10250: i/o timeout"; got != want {
		t.Errorf("away: %q, want %q", got, want)
	}
	want := map[string]string{"forbids": ReasonNotPermitted, "never": "KubeletUnreachable", "drips": "KubeletUnreachable", "endless": ReasonUnreadable, "away": "KubeletUnreachable", "breaks": "KubeletUnreachable"}
	for name, reason := range want {
		v := views[name]
		if v.HealthErr == nil || kubeletUnknown(v.HealthErr).Reason != reason {
			t.Errorf("%s: %v, want %s", name, v.HealthErr, reason)
		}
		if v.ConfigErr == nil || v.MetricsErr == nil || v.Metrics != nil || v.Config != nil {
			t.Errorf("%s: something was believed: %+v", name, v)
		}
	}
	if v := views["garbage"]; v.ConfigErr == nil || v.MetricsErr == nil {
		t.Errorf("garbage: %+v", v)
	}
	if n := w.askedOf("away"); n != 1 {
		t.Errorf("one to whom there is no way was asked %d times", n)
	}
}

// A fleet is asked in turn; what was ill is asked again at once, and what is well
// again shows with the next Ask.
func TestKubeletsTakeTurns(t *testing.T) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("n%02d", i))
	}
	w, k, nodes := newSickbay(t, names...)
	k.AtOnce = 4
	w.says["n00"] = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusInternalServerError) }
	now := time.Now()
	if views := k.Ask(t.Context(), nodes, now); len(views) != 4 || views["n00"].Healthy {
		t.Fatalf("%d views", len(views))
	}
	w.mu.Lock()
	delete(w.says, "n00")
	w.mu.Unlock()
	if views := k.Ask(t.Context(), nodes, now.Add(time.Second)); !views["n00"].Healthy || len(views) != 7 {
		t.Fatalf("healed, and shown as %+v; %d views", views["n00"], len(views))
	}
	for i := range 10 {
		k.Ask(t.Context(), nodes, now.Add(time.Duration(i+2)*time.Second))
	}
	for _, name := range names {
		if n := w.askedOf(name); n < 3 || n > 12 {
			t.Errorf("%s was asked %d times", name, n)
		}
	}
	if views := k.Ask(t.Context(), nodes[:5], now.Add(20*time.Second)); len(views) != 5 {
		t.Errorf("%d views of 5 nodes", len(views))
	}
	if views := k.Ask(t.Context(), nodes[:5], now.Add(time.Hour)); len(views) != 4 {
		t.Errorf("%d views: an old one is shown", len(views))
	}
}
