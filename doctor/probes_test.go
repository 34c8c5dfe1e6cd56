package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// surroundings are what a host's probes ask, all well until a test breaks one.
type surroundings struct {
	probes   *Probes
	answer   map[string]int // status by path; 0 for 200
	delay    time.Duration
	dead     map[string]bool // name servers that do not answer
	off      time.Duration
	offErr   error
	asked    atomic.Int64
	unheaded atomic.Int64
}

func newSurroundings(t *testing.T) *surroundings {
	s := &surroundings{answer: map[string]int{}, dead: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		time.Sleep(s.delay)
		if strings.HasPrefix(r.URL.Path, "/opc/") && r.Header.Get("Authorization") != "Bearer Oracle" {
			s.unheaded.Add(1)
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if status := s.answer[r.URL.Path]; status != 0 {
			w.WriteHeader(status)
			return
		}
		if strings.HasSuffix(r.URL.Path, "canonicalRegionName") {
			fmt.Fprint(w, "us-ashburn-1")
		}
	}))
	t.Cleanup(server.Close)
	s.probes = NewProbes()
	s.probes.Client = server.Client()
	s.probes.Metadata, s.probes.API, s.probes.KubeProxy = server.URL+"/opc/v2", server.URL+"/livez-api", server.URL+"/livez"
	s.probes.Registry = func(region string) string { return server.URL + "/" + region + "/v2/" }
	s.probes.Resolver = func(_ context.Context, server, name string) error {
		if s.dead[server] || name != "iaas.us-ashburn-1.oraclecloud.com" {
			return errors.New("i/o timeout")
		}
		return nil
	}
	s.probes.Offset = func(context.Context, string) (time.Duration, error) { return s.off, s.offErr }
	return s
}

// ask runs one probe on an instance of OCI.
func (s *surroundings) ask(t *testing.T, check string, files ...string) Finding {
	t.Helper()
	own := "proc/1/net/dev\n" + strings.Join(ownDevices(t), ": 0\n") + ": 0\n"
	files = append([]string{"sys/class/dmi/id/chassis_asset_tag\nOracleCloud.com", "etc/resolv.conf\nnameserver 169.254.169.254\nnameserver 10.0.0.2\n", own}, files...)
	h := hostStory{files: files}.host(t, whole)
	h.Probes = s.probes
	return ask(t, h, check)
}

func ownDevices(t *testing.T) []string {
	t.Helper()
	h, err := OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	own, err := h.devices("proc/self/net/dev")
	if err != nil || len(own) == 0 {
		t.Fatalf("%v, %v", own, err)
	}
	return own
}

var probeStories = []struct {
	check, name string
	set         func(*surroundings)
	files       []string
	state       State
	reason      string
}{
	{"metadata-service", "well", nil, nil, Pass, ""},
	{"metadata-service", "refuses", func(s *surroundings) { s.answer["/opc/v2/instance/id"] = 404 }, nil, Fail, "MetadataRefused"},
	{"metadata-service", "broken", func(s *surroundings) { s.answer["/opc/v2/instance/id"] = 503 }, nil, Fail, "MetadataRefused"},
	{"metadata-service", "slow", func(s *surroundings) { s.delay = 1100 * time.Millisecond }, nil, Warn, "MetadataSlow"},
	{"metadata-service", "silent", func(s *surroundings) { s.probes.Metadata = "http://127.0.0.1:1" }, nil, Fail, "MetadataUnreachable"},
	{"registry", "well, asks who we are", func(s *surroundings) { s.answer["/us-ashburn-1/v2/"] = 401 }, nil, Pass, ""},
	{"registry", "broken", func(s *surroundings) { s.answer["/us-ashburn-1/v2/"] = 502 }, nil, Warn, "RegistryBroken"},
	{"registry", "no way there", func(s *surroundings) {
		s.probes.Registry = func(string) string { return "http://127.0.0.1:1/v2/" }
	}, nil, Fail, "RegistryUnreachable"},
	{"registry", "no region", func(s *surroundings) { s.answer["/opc/v2/instance/canonicalRegionName"] = 404 }, nil, Unknown, "RegionUnknown"},
	{"name-servers", "well", nil, nil, Pass, ""},
	{"name-servers", "the first is dead", func(s *surroundings) { s.dead["169.254.169.254"] = true }, nil, Warn, "NameServerDead"},
	{"name-servers", "all are dead", func(s *surroundings) { s.dead["169.254.169.254"], s.dead["10.0.0.2"] = true, true }, nil, Fail, "NamesUnresolved"},
	{"name-servers", "none is named", nil, []string{"etc/resolv.conf\nsearch a\nnameserver nonsense\n"}, Fail, "NoNameServer"},
	{"api-server", "well, wants a token", func(s *surroundings) { s.answer["/livez-api"] = 401 }, nil, Pass, ""},
	{"api-server", "no way there", func(s *surroundings) { s.probes.API = "https://127.0.0.1:1/livez" }, nil, Fail, "APIUnreachable"},
	{"api-server", "in no pod", func(s *surroundings) { s.probes.API = "" }, nil, Skip, ReasonNotApplicable},
	{"kube-proxy", "well", nil, nil, Pass, ""},
	{"kube-proxy", "stuck", func(s *surroundings) { s.answer["/livez"] = 503 }, nil, Fail, "ProxyNotLive"},
	{"kube-proxy", "gone", func(s *surroundings) { s.probes.KubeProxy = "http://127.0.0.1:1/livez" }, nil, Fail, "ProxySilent"},
	{"kube-proxy", "from another network", nil, []string{"proc/1/net/dev\nens3: 0\ncali1: 0\n"}, Unknown, ReasonNotPermitted},
	{"time-offset", "well", func(s *surroundings) { s.off = -20 * time.Millisecond }, nil, Pass, ""},
	{"time-offset", "behind", func(s *surroundings) { s.off = 3 * time.Second }, nil, Fail, "ClockOff"},
	{"time-offset", "ahead", func(s *surroundings) { s.off = -200 * time.Millisecond }, nil, Warn, "ClockOff"},
	{"time-offset", "nobody says", func(s *surroundings) { s.offErr = errors.New("timeout") }, nil, Unknown, "TimeServerSilent"},
	{"time-offset", "elsewhere", nil, []string{"sys/class/dmi/id/chassis_asset_tag\nNo Asset Tag"}, Skip, ReasonNotApplicable},
	{"metadata-service", "no firmware", func(s *surroundings) { s.probes = nil }, nil, Skip, ReasonNotAsked},
}

func TestProbes(t *testing.T) {
	for _, story := range probeStories {
		t.Run(story.check+"/"+story.name, func(t *testing.T) {
			t.Parallel()
			s := newSurroundings(t)
			if story.set != nil {
				story.set(s)
			}
			f := s.ask(t, story.check, story.files...)
			if f.State != story.state || f.Reason != story.reason {
				t.Errorf("got %s %s %q %s, want %s %s", f.State, f.Reason, f.Message, f.Observed, story.state, story.reason)
			}
			if (f.State == Fail || f.State == Warn) && (f.Message == "" || f.Remedy == "") {
				t.Errorf("a finding without a message or a remedy: %+v", f)
			}
			if s.unheaded.Load() > 0 {
				t.Error("the metadata service was asked without its header")
			}
		})
	}
}

// A host that does not say what it is, is asked nothing.
func TestProbesAskOnlyInTheCloud(t *testing.T) {
	s := newSurroundings(t)
	for _, files := range [][]string{nil, {"sys/class/net/lo/mtu\n65536"}} {
		h := hostStory{files: files}.host(t, whole)
		h.Probes = s.probes
		for _, c := range []string{"metadata-service", "registry", "name-servers", "api-server", "kube-proxy", "time-offset"} {
			if f := ask(t, h, c); f.State != Skip && f.State != Unknown {
				t.Errorf("%s: %s %s", c, f.State, f.Reason)
			}
		}
	}
	if n := s.asked.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}
