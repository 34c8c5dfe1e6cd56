package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/cloudprovider"
)

// healthText is what a kubelet's /healthz?verbose has when its loop hangs.
const healthText = "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n"

func told(view KubeletView) func(*clinic) {
	return func(c *clinic) {
		v := view
		v.At = c.Now
		c.kubelets = map[string]*KubeletView{"n1": &v, "n2": {At: c.Now, Healthy: true, Metrics: &KubeletMetrics{}}}
	}
}

func measured(change func(m *KubeletMetrics)) func(*clinic) {
	return func(c *clinic) {
		m := &KubeletMetrics{Started: c.Now.Add(-time.Hour), PLEGSeen: c.Now, ClientTTL: 300 * 86400, ServerTTL: math.NaN()}
		change(m)
		told(KubeletView{Healthy: true, Metrics: m})(c)
	}
}

// configured tells all kubelets of a pool of six the same, and n1 something else.
func configured(change func(map[string]string)) func(*clinic) {
	return func(c *clinic) {
		c.kubelets = map[string]*KubeletView{}
		for i := range 4 {
			c.addNode(fmt.Sprintf("x%d", i))
		}
		for _, n := range c.Objects.Nodes {
			c.kubelets[n.Name] = &KubeletView{At: c.Now, Healthy: true, Config: map[string]string{"maxPods": "110", "failSwapOn": "false"}}
		}
		change(c.kubelets["n1"].Config)
	}
}

func starts(ago ...time.Duration) func(*clinic) {
	return func(c *clinic) {
		v := KubeletView{Healthy: true, Metrics: &KubeletMetrics{}}
		for _, d := range ago {
			v.Metrics.Started = c.Now.Add(-d)
			v.Starts = append(v.Starts, v.Metrics.Started)
		}
		told(v)(c)
	}
}

var (
	errDeaf    = &unreachable{errors.New("get /healthz: i/o timeout")}
	errRefused = fmt.Errorf("get /healthz: %w: Forbidden (subresource(s)=[healthz proxy])", errForbidden)
	fastAnswer = Buckets{0.5: 1000, math.Inf(1): 1000}
	slowAnswer = Buckets{0.5: 900, 15: 1000, math.Inf(1): 1000}
)

var kubeletStories = []story{
	{"not asked for", "kubelet-health", func(*clinic) {}, Skip, ReasonNotAsked},
	{"virtual", "kubelet-health", func(c *clinic) {
		told(KubeletView{})(c)
		c.Cloud.Pools[0].Virtual = true
	}, Skip, ReasonNotApplicable},
	{"virtual by its label", "kubelet-health", func(c *clinic) {
		told(KubeletView{})(c)
		c.node("n1").Labels["node-role.kubernetes.io/virtual-node"] = ""
	}, Skip, ReasonNotApplicable},
	{"not its turn", "kubelet-health", func(c *clinic) { c.kubelets = map[string]*KubeletView{} }, Unknown, "NotAskedYet"},
	{"well", "kubelet-health", told(KubeletView{Healthy: true, Health: "ok"}), Pass, ""},
	{"hangs, just now", "kubelet-health", told(KubeletView{Health: healthText}), Warn, "KubeletUnhealthy"},
	{"not permitted", "kubelet-health", told(KubeletView{HealthErr: errRefused}), Unknown, ReasonNotPermitted},
	{"garbage", "kubelet-health", told(KubeletView{HealthErr: errors.New("more than 4096 bytes")}), Unknown, ReasonUnreadable},
	{"others answer", "kubelet-health", told(KubeletView{HealthErr: errDeaf}), Warn, "KubeletUnreachable"},
	{"nobody answers", "kubelet-health", func(c *clinic) {
		c.kubelets = map[string]*KubeletView{"n1": {HealthErr: errDeaf}, "n2": {HealthErr: errDeaf}}
	}, Unknown, "WayBroken"},
	{"silent and not Ready", "kubelet-health", func(c *clinic) {
		told(KubeletView{HealthErr: errDeaf})(c)
		c.ready(corev1.ConditionUnknown, time.Minute)
	}, Unknown, ReasonNotReady},

	{"fresh", "kubelet-pleg", measured(func(*KubeletMetrics) {}), Pass, ""},
	{"late", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = m.PLEGSeen.Add(-time.Minute) }), Warn, "PLEGStale"},
	{"dead", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = m.PLEGSeen.Add(-3 * time.Minute) }), Fail, "PLEGStale"},
	{"ahead", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = m.PLEGSeen.Add(time.Hour) }), Pass, ""},
	{"slow", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.Relist = slowAnswer }), Warn, "PLEGSlow"},
	{"does not tell", "kubelet-pleg", measured(func(m *KubeletMetrics) { m.PLEGSeen = time.Time{} }), Unknown, ReasonNotFound},
	{"not permitted", "kubelet-pleg", told(KubeletView{Healthy: true, MetricsErr: errRefused}), Unknown, ReasonNotPermitted},

	{"fast", "kubelet-runtime", measured(func(m *KubeletMetrics) { m.Runtime = fastAnswer }), Pass, ""},
	{"slow", "kubelet-runtime", measured(func(m *KubeletMetrics) { m.Runtime = slowAnswer }), Warn, "RuntimeSlow"},
	{"slow before the last look", "kubelet-runtime", func(c *clinic) {
		measured(func(m *KubeletMetrics) { m.Runtime = Buckets{0.5: 1900, 15: 2000, math.Inf(1): 2000} })(c)
		v := c.kubelets["n1"]
		v.Before = &KubeletMetrics{Started: v.Metrics.Started, Runtime: slowAnswer}
		v.Metrics.Runtime = Buckets{0.5: 1900, 15: 2000, math.Inf(1): 2000}
	}, Pass, ""},
	{"slow before it was started anew", "kubelet-runtime", func(c *clinic) {
		measured(func(m *KubeletMetrics) { m.Runtime = fastAnswer })(c)
		c.kubelets["n1"].Before = &KubeletMetrics{Started: c.Now.Add(-9 * time.Hour), Runtime: slowAnswer}
	}, Pass, ""},
	{"nothing done yet", "kubelet-runtime", measured(func(*KubeletMetrics) {}), Unknown, "TooFew"},

	{"good for long", "kubelet-rotation", measured(func(*KubeletMetrics) {}), Pass, ""},
	{"the server's ends first", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ServerTTL = -1 }), Fail, "CertificateExpired"},
	{"short-lived", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = 7200 }), Pass, ""},
	{"last hour", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = 3000 }), Warn, "CertificateNotRenewed"},
	{"cannot renew", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL, m.RenewErrors = 13*86400, 4 }), Warn, "CertificateNotRenewed"},
	{"does not tell", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = math.NaN() }), Unknown, ReasonNotFound},
	{"rotation off", "kubelet-rotation", func(c *clinic) {
		measured(func(*KubeletMetrics) {})(c)
		c.kubelets["n1"].Config = map[string]string{"rotateCertificates": "false"}
	}, Warn, "RotationOff"},
	{"absurd", "kubelet-rotation", measured(func(m *KubeletMetrics) { m.ClientTTL = 1e300 }), Pass, ""},

	{"up for an hour", "kubelet-restarts", starts(time.Hour), Pass, ""},
	{"anew", "kubelet-restarts", starts(9 * time.Minute), Info, "KubeletRestarted"},
	{"three times", "kubelet-restarts", starts(19*time.Minute, 9*time.Minute, time.Minute), Warn, "KubeletRestarts"},
	{"five times", "kubelet-restarts", starts(19*time.Minute, 15*time.Minute, 9*time.Minute, 5*time.Minute, time.Minute), Fail, "KubeletRestarts"},
	{"long ago", "kubelet-restarts", starts(49*time.Minute, 45*time.Minute, 39*time.Minute, 35*time.Minute, 31*time.Minute), Pass, ""},

	{"alike", "kubelet-config", configured(func(map[string]string) {}), Pass, ""},
	{"other value", "kubelet-config", configured(func(m map[string]string) { m["maxPods"] = "31" }), Info, "ConfigDiffers"},
	{"a field too many", "kubelet-config", configured(func(m map[string]string) { m["enableServer"] = "true" }), Info, "ConfigDiffers"},
	{"a field too few", "kubelet-config", configured(func(m map[string]string) { delete(m, "maxPods") }), Info, "ConfigDiffers"},
	{"two nodes", "kubelet-config", told(KubeletView{Healthy: true, Config: map[string]string{"a": "1"}}), Skip, "NoMajority"},
	{"not permitted", "kubelet-config", told(KubeletView{Healthy: true, ConfigErr: errRefused}), Unknown, ReasonNotPermitted},
}

// metricsText is of a kubelet of 1.36, cut down.
const metricsText = `# HELP kubelet_pleg_last_seen_seconds [ALPHA] Timestamp in seconds when PLEG was last seen active.
# TYPE kubelet_pleg_last_seen_seconds gauge
kubelet_pleg_last_seen_seconds 1.7723664e+09
kubelet_pleg_relist_duration_seconds_bucket{le="0.005"} 10
kubelet_pleg_relist_duration_seconds_bucket{le="10"} 12
kubelet_pleg_relist_duration_seconds_bucket{le="+Inf"} 12
kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="0.005"} 3
kubelet_runtime_operations_duration_seconds_bucket{operation_type="create_container",le="+Inf"} 4
kubelet_runtime_operations_duration_seconds_bucket{operation_type="status",le="0.005"} 5
kubelet_runtime_operations_duration_seconds_bucket{operation_type="status",le="+Inf"} 5
kubelet_runtime_operations_duration_seconds_bucket{operation_type="pull_image",le="+Inf"} 99
kubelet_certificate_manager_client_ttl_seconds 2.5920e+07
kubelet_certificate_manager_client_expiration_renew_errors 2
process_start_time_seconds 1.77236e+09
`

func TestParseKubeletMetrics(t *testing.T) {
	m, err := parseKubeletMetrics(strings.NewReader(metricsText))
	if err != nil {
		t.Fatal(err)
	}
	if m.Started.Unix() != 1772360000 || m.PLEGSeen.Unix() != 1772366400 || m.ClientTTL != 25920000 || !math.IsNaN(m.ServerTTL) || m.RenewErrors != 2 {
		t.Errorf("%+v", m)
	}
	if b, n := m.Runtime.quantile(0.5); b != 0.005 || n != 9 {
		t.Errorf("runtime: half are at most %gs of %g, want 0.005 of 9 without image pulls", b, n)
	}
	if b, n := m.Relist.quantile(0.99); b != 10 || n != 12 {
		t.Errorf("relist: %gs of %g", b, n)
	}
	for name, text := range map[string]string{"nothing": "", "a page": "<html>process_start</html>", "one long line": "kubelet_" + strings.Repeat("x", maxMetricsLine),
		"endless": strings.Repeat(strings.Repeat("y", 1023)+"\n", maxMetrics>>10+1)} {
		if m, err := parseKubeletMetrics(strings.NewReader(text)); err == nil {
			t.Errorf("%s was read as %+v", name, m)
		}
	}
}

func FuzzKubeletMetrics(f *testing.F) {
	f.Add(metricsText)
	f.Add("process_start_time_seconds{a=\"}\"} NaN\nkubelet_pleg_relist_duration_seconds_bucket{le=\"NaN\"} 1 2\nprocess_start_time_seconds 2e9")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseKubeletMetrics(strings.NewReader(text))
		if (m == nil) == (err == nil) {
			t.Fatalf("%v, %v", m, err)
		}
		if m != nil {
			m.Relist.quantile(0.99)
			m.Runtime.since(m.Relist).quantile(0.5)
		}
	})
}

func FuzzConfigz(f *testing.F) {
	f.Add([]byte(`{"kubeletconfig":{"maxPods":110,"a":{"b":[1,2]},"providerID":"x","e":{}}}`))
	f.Add([]byte(`{"kubeletconfig":` + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 41)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfigz(data)
		if (c == nil) == (err == nil) || len(c) > maxConfigKeys+1 {
			t.Fatalf("%d fields, %v", len(c), err)
		}
		if _, there := c["providerID"]; there {
			t.Error("a field that is each node's own")
		}
	})
}

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
	k.Timeout = 300 * time.Millisecond
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
	began := time.Now()
	views := k.Ask(t.Context(), nodes, began)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
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
	if n := w.asked["away"]; n != 1 {
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
		if n := w.asked[name]; n < 3 || n > 12 {
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

// A kubelet that says that it is ill condemns its node once it has said so for a
// minute, and is trusted again with the first good answer.
func TestIllKubeletCondemnsAndHeals(t *testing.T) {
	c := newClinic()
	c.addNode("n1")
	c.addNode("n2")
	c.Cloud.Instances[c.Cloud.Pools[0].ID][0].State = cloudprovider.Running
	told(KubeletView{Health: healthText})(c)
	if x := c.caseOf(t, "n1"); x.Verdict.Status != corev1.ConditionFalse {
		t.Fatalf("at first sight: %+v", x.Verdict)
	}
	c.Now = c.Now.Add(kubeletHealth.Confirm)
	c.leases["n1"], c.leases["n2"] = c.Now, c.Now
	if x := c.caseOf(t, "n1"); x.Verdict.Reason != "KubeletHealth" || !strings.Contains(x.Verdict.Message, "syncloop") {
		t.Fatalf("a minute later: %+v", x.Verdict)
	}
	told(KubeletView{Healthy: true})(c)
	if x := c.caseOf(t, "n1"); x.Verdict.Status != corev1.ConditionFalse {
		t.Errorf("healed: %+v", x.Verdict)
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
