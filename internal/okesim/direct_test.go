package okesim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

// The real SDK over the direct front end, in a bubble: a pool of three takes an hour of its own time and none of the test's.
func TestDirectFrontEndInABubble(t *testing.T) {
	path, err := New(Options{}).NewCredentials(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Latency: Latency{Accept: time.Minute, Provision: 10 * time.Minute, Boot: 49 * time.Minute}})
		defer s.Close()
		id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 3))
		if err != nil {
			t.Fatal(err)
		}
		p, err := common.ConfigurationProviderFromFileWithProfile(path, "DEFAULT", "")
		if err != nil {
			t.Fatal(err)
		}
		oke, err := containerengine.NewContainerEngineClientWithConfigurationProvider(p)
		if err != nil {
			t.Fatal(err)
		}
		oke.HTTPClient, oke.Configuration.CircuitBreaker = s, nil
		look := func() containerengine.NodePool {
			r, err := oke.GetNodePool(t.Context(), containerengine.GetNodePoolRequest{NodePoolId: &id})
			if err != nil {
				t.Fatal(err)
			}
			return r.NodePool
		}
		time.Sleep(59 * time.Minute)
		if p := look(); p.LifecycleState != containerengine.NodePoolLifecycleStateCreating {
			t.Errorf("%s after 59 minutes", p.LifecycleState)
		}
		time.Sleep(2 * time.Minute)
		if p := look(); p.LifecycleState != containerengine.NodePoolLifecycleStateActive || len(p.Nodes) != 3 {
			t.Errorf("%s after 61 minutes", p.LifecycleState)
		}
	})
}

// script is a conversation that meets most operations and several faults.
func script(s *Sim, do func(*http.Request) (*http.Response, error), base string) (transcript []string) {
	ask := func(method, path, body string, header ...string) {
		r, err := http.NewRequest(method, base+path, strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		a, err := do(r)
		if err != nil {
			transcript = append(transcript, method+" "+path+": connection lost")
			return
		}
		text, err := io.ReadAll(a.Body)
		_ = a.Body.Close()
		cut := ""
		if err != nil {
			cut = " (cut)"
		}
		transcript = append(transcript, fmt.Sprintf("%s %s: %d %s %s %s %s%s", method, path, a.StatusCode, a.Header.Get("Content-Type"), a.Header.Get("etag"),
			a.Header.Get("opc-work-request-id"), text, cut))
	}
	pool := s.Pools()[0]
	here, compartment := "/20180222/nodePools/"+pool.ID, "?compartmentId="+s.Compartment()
	ask("GET", here, "")
	ask("GET", "/20180222/nodePools"+compartment+"&limit=1", "")
	ask("PUT", here, `{"nodeConfigDetails":{"size":5}}`, "if-match", "wrong")
	ask("PUT", here, `{"nodeConfigDetails":{"size":-5}}`)
	ask("PUT", here, `{"nodeConfigDetails":{"size":3}}`, "if-match", pool.ETag)
	ask("GET", "/20160918/instances"+compartment, "")
	ask("GET", "/20180222/nothing", "")
	s.FailNext("GetNodePool", 1, HTTPFault{Status: 429, RetryAfter: time.Second})
	ask("GET", here, "")
	s.FailNext("GetNodePool", 1, HTTPFault{Stale: true})
	ask("GET", here, "")
	s.FailNext("GetNodePool", 1, HTTPFault{Truncate: true})
	ask("GET", here, "")
	s.FailNext("GetNodePool", 1, HTTPFault{Lost: true})
	ask("GET", here, "")
	s.FailNext("UpdateNodePool", 1, HTTPFault{Drop: true})
	ask("PUT", here, `{"nodeConfigDetails":{"size":2}}`)
	ask("GET", here, "")
	ask("DELETE", here, "")
	return transcript
}

// Both front ends are one handler: a conversation has the same answers, byte by byte, over a socket and without.
func TestBothFrontEndsAnswerAlike(t *testing.T) {
	frozen := Latency{Accept: time.Hour, Provision: time.Hour, Boot: time.Hour, Terminate: time.Hour}
	run := func(t *testing.T, converse func(*Sim) []string) []string {
		s := New(Options{Latency: frozen})
		t.Cleanup(s.Close)
		if _, err := s.AddPool(specFor(s, s.AddCluster(Cluster{Name: "c"}), "workers", 2)); err != nil {
			t.Fatal(err)
		}
		return converse(s)
	}
	direct := run(t, func(s *Sim) []string { return script(s, s.Do, "http://oci") })
	overHTTP := run(t, func(s *Sim) []string {
		server := httptest.NewServer(s)
		defer server.Close()
		// A client repeats a GET on a connection that it has used before; with fresh ones it tells of each that is lost.
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		return script(s, client.Do, server.URL)
	})
	if diff := cmp.Diff(overHTTP, direct); diff != "" {
		t.Errorf("HTTP − direct +:\n%s", diff)
	}
	lost := 0
	for _, line := range direct {
		if strings.HasSuffix(line, "connection lost") || strings.HasSuffix(line, "(cut)") {
			lost++
		}
	}
	if lost != 3 {
		t.Errorf("%d answers were lost or cut, want 3:\n%s", lost, strings.Join(direct, "\n"))
	}
}

func TestDirectFrontEndHonoursTheContext(t *testing.T) {
	s := New(Options{})
	t.Cleanup(s.Close)
	s.FailNext("*", 1, HTTPFault{Delay: time.Hour})
	client := &http.Client{Transport: s, Timeout: 20 * time.Millisecond}
	if _, err := client.Get("http://oci/20160918/shapes"); err == nil {
		t.Error("an answer after an hour")
	}
}

// One seed is one history; another seed is another.
func TestSameSeedSameTrace(t *testing.T) {
	trace := func(seed uint64) string {
		var text bytes.Buffer
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{Seed: seed, Jitter: 0.5, Trace: &text})
			defer s.Close()
			id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 4))
			if err != nil {
				t.Fatal(err)
			}
			s.FailNext("GetNodePool", -1, HTTPFault{Status: 503, Chance: 0.3})
			for size := range 8 {
				time.Sleep(700 * time.Millisecond)
				synctest.Wait()
				n := size % 5
				if _, err := s.UpdatePool(id, PoolUpdate{Size: &n}, ""); err != nil {
					t.Fatal(err)
				}
				r, err := http.NewRequestWithContext(t.Context(), "GET", "http://oci/20180222/nodePools/"+id, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Do(r); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		})
		return text.String()
	}
	one := trace(1)
	if diff := cmp.Diff(one, trace(1)); diff != "" {
		t.Errorf("two runs of one seed differ:\n%s", diff)
	}
	if one == trace(2) {
		t.Error("two seeds gave one history")
	}
	if !strings.Contains(one, "GetNodePool") || !strings.Contains(one, " 503") || !strings.Contains(one, " 200") || !strings.Contains(one, "InstanceActive") {
		t.Errorf("the trace tells too little:\n%s", one)
	}
}
