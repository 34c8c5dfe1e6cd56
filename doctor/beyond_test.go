package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// telling is a cloud that also has plans and consoles.
type telling struct {
	still
	mu    *sync.Mutex
	asked *[]cloudprovider.InstanceID
}

func (telling) Maintenance(_ context.Context, _ cloudprovider.PoolID) ([]cloudprovider.Maintenance, error) {
	return []cloudprovider.Maintenance{{Instance: worldtest.InstanceID("n2"), Effect: cloudprovider.EffectStop, Reason: "DECOMMISSION"}}, nil
}

func (c telling) Console(_ context.Context, _ cloudprovider.PoolID, in cloudprovider.InstanceID) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*c.asked = append(*c.asked, in)
	return []byte("Linux version 5\nKernel panic - not syncing: x\n"), nil
}

// inMemory answers for all kubelets without a network, as a bubble needs it.
type inMemory struct {
	mu    sync.Mutex
	asked []string
	say   http.HandlerFunc
}

func (m *inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.asked = append(m.asked, r.URL.Host)
	m.mu.Unlock()
	rec := httptest.NewRecorder()
	m.say(rec, r)
	return rec.Result(), nil
}

func (m *inMemory) kubelets() *Kubelets {
	return &Kubelets{Client: &http.Client{Transport: m}, URL: func(n *corev1.Node, path string) (string, error) {
		if n.Name == "" {
			return "", errors.New("no name")
		}
		return "http://" + n.Name + path, nil
	}}
}

// An examination of one node asks its kubelet and its siblings', and reads one
// console; the cloud's plans are read for all.
func TestExamineAsksBeyond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 12)
		var asked []cloudprovider.InstanceID
		p.Observer.Fleet = cloudprovider.NewFleet(telling{still{p.clinic}, &sync.Mutex{}, &asked}, cloudprovider.FleetOptions{DryRun: true})
		m := &inMemory{say: healthyKubelet}
		var consoles map[string]Console
		r, err := Examine(t.Context(), ExamineOptions{Observer: p.Observer, Reader: p.Client, Names: []string{"n1"}, Kubelets: m.kubelets(),
			Console: []string{"n1"}, OnConsole: func(c map[string]Console) { consoles = c }})
		if err != nil {
			t.Fatal(err)
		}
		if len(asked) != 1 || asked[0] != worldtest.InstanceID("n1") || len(consoles) != 1 || consoles["n1"].Err != nil {
			t.Errorf("consoles of %v were read, given %v", asked, consoles)
		}
		hosts := slices.Clone(m.asked)
		slices.Sort(hosts)
		if hosts = slices.Compact(hosts); len(hosts) != 1+2*majorityOf || !slices.Contains(hosts, "n1") {
			t.Errorf("kubelets of %v were asked, want n1's and %d siblings'", hosts, 2*majorityOf)
		}
		of := func(node, check string) Finding {
			i := slices.IndexFunc(r.Nodes, func(n NodeReport) bool { return n.Node == node })
			return Case{Findings: r.Nodes[i].Findings}.finding(t, check)
		}
		for check, want := range map[string]State{"kubelet-health": Pass, "kubelet-config": Pass, "console": Fail, "maintenance": Pass} {
			if f := of("n1", check); f.State != want {
				t.Errorf("n1: %+v, want %s", f, want)
			}
		}
		if f := of("n2", "maintenance"); f.State != Warn {
			t.Errorf("n2: %+v", f)
		}
		if f := of("n2", "console"); f.State != Skip {
			t.Errorf("n2: %+v", f)
		}
	})
}

// The daemon asks some kubelets at each look, and what one says of itself reaches
// its Node and leaves it again.
func TestLoopAsksKubelets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 6)
		var ill sync.Map
		ill.Store("n1", true)
		m := &inMemory{say: func(rw http.ResponseWriter, r *http.Request) {
			if _, is := ill.Load(r.URL.Host); is && r.URL.Path == "/healthz" {
				rw.WriteHeader(http.StatusInternalServerError)
				rw.Write([]byte(healthText))
				return
			}
			healthyKubelet(rw, r)
		}}
		p.Kubelets = m.kubelets()
		p.Kubelets.AtOnce = 2
		status := func() corev1.ConditionStatus {
			return condition(p.node(t, "n1"), "TidemillNodeProblem").Status
		}
		look := func() {
			before := len(m.asked)
			p.look(t)
			if n := len(m.asked) - before; n > 2*3 {
				t.Fatalf("%d requests in one look", n)
			}
		}
		for range 6 {
			look()
			time.Sleep(30 * time.Second)
		}
		if status() != corev1.ConditionTrue {
			t.Fatalf("an ill kubelet: %+v", condition(p.node(t, "n1"), "TidemillNodeProblem"))
		}
		ill.Clear()
		look()
		if status() != corev1.ConditionFalse {
			t.Errorf("well again, and the next look does not see it: %+v", condition(p.node(t, "n1"), "TidemillNodeProblem"))
		}
	})
}
