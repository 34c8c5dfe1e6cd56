package cycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// upgrading is an upgrade to v1.34.2 that began ten minutes ago: n1 was there before, n2
// came when the pool had v1.34.1 again for a moment.
func upgrading() (*worldtest.World, *v1alpha1.Pool, Policy) {
	w, p := gated()
	delete(p.Annotations, v1alpha1.AnnotationCycle)
	p.Annotations[v1alpha1.AnnotationUpgradeTo] = "v1.34.2"
	p.Status.Cycle = &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationUpgradeTo + "=v1.34.2", Desired: 2, Stale: 1, StartedAt: metav1.NewTime(w.Now.Add(-10 * time.Minute))}
	w.Cloud.Instances[worldtest.PoolID("workers")][1].Created = w.Now.Add(-5 * time.Minute)
	release := cloudprovider.Release{Kubernetes: "v1.34.2", Image: "new", ImageName: "Oracle-Linux-8.10-2026.07.31-0-OKE-1.34.2-1191"}
	w.Cloud.Pools[0].Release = release
	return w, p, Policy{Offers: map[cloudprovider.PoolID]Offer{worldtest.PoolID("workers"): {Releases: []cloudprovider.Release{release}}}}
}

// seen is a look at the world under a control plane that bears v1.34.2.
func seen(w *worldtest.World) *world.Snapshot {
	s := w.Snapshot()
	s.ControlPlane = "v1.34.2"
	return s
}

// A pool that had another version for a while has made machines of it. They are younger
// than the run, and are replaced all the same.
func TestWhatCameOfAnotherReleaseIsReplacedToo(t *testing.T) {
	for name, c := range map[string]struct {
		strayed bool
		stale   int
	}{"the pool had another version": {true, 2}, "a node differs for another reason": {false, 1}} {
		w, p, policy := upgrading()
		p.Status.Cycle.OtherRelease = c.strayed
		r := Decide(seen(w), policy).Pools[0]
		if r.Stale != c.stale || r.Cycle.OtherRelease || (r.Cycle.ReleasedAt != nil) != c.strayed {
			t.Errorf("%s: %d stale, want %d; %+v", name, r.Stale, c.stale, r.Cycle)
		}
	}
}

// While the pool has another version than the run's, it is set again, and nothing new is
// begun; nor is the run done, though all nodes are what the pool has.
func TestARunWaitsForItsRelease(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*worldtest.World, *v1alpha1.Pool, *Policy)
		set    bool
	}{
		"set at once":                      {func(*worldtest.World, *v1alpha1.Pool, *Policy) {}, true},
		"the releases cannot be looked up": {func(_ *worldtest.World, _ *v1alpha1.Pool, policy *Policy) { policy.Offers = nil }, false},
		"one node is left": {func(w *worldtest.World, p *v1alpha1.Pool, policy *Policy) {
			policy.Offers = nil
			id := worldtest.PoolID("workers")
			w.Objects.Nodes, w.Cloud.Instances[id] = w.Objects.Nodes[1:], w.Cloud.Instances[id][1:]
			w.Cloud.Pools[0].Size, p.Status.Cycle.Desired, p.Status.Cycle.Stale = 1, 1, 0
		}, false},
	} {
		w, p, policy := upgrading()
		w.Cloud.Pools[0].Release = w.Cloud.Instances[worldtest.PoolID("workers")][0].Release
		c.change(w, p, &policy)
		plan := Decide(seen(w), policy)
		set := false
		for _, step := range plan.Steps {
			set = set || step.Kind == SetRelease && step.Release.Kubernetes == "v1.34.2"
			if step.Kind == Mark || step.Kind == Surge || step.Kind == FinishRun {
				t.Errorf("%s: %v", name, step)
			}
		}
		if r := plan.Pools[0]; set != c.set || r.Cycle == nil || !r.Cycle.OtherRelease || r.Wait == nil {
			t.Errorf("%s: set %v; %+v, waits for %v", name, set, r.Cycle, r.Wait)
		}
	}
}

// What cannot be set again ends the run, which would else wait for ever.
func TestARunEndsWhoseReleaseIsNoMore(t *testing.T) {
	w, p, policy := upgrading()
	w.Cloud.Pools[0].Release = w.Cloud.Instances[worldtest.PoolID("workers")][0].Release
	policy.Offers[worldtest.PoolID("workers")] = Offer{}
	for look := range 3 {
		r := Decide(seen(w), policy).Pools[0]
		p.Status.Cycle, p.Status.LastCycle = r.Cycle, r.Last
		if r.Cycle == nil {
			if r.Last.Outcome != Refused {
				t.Errorf("look %d: %+v", look, r.Last)
			}
			return
		}
	}
	t.Errorf("the run goes on: %+v, %+v", p.Status.Cycle, p.Status.LastCycle)
}

// Whoever asks for another version while an upgrade is under way has that, though no node
// differs from it: the run would wait for ever for a release that nobody sets again. So it
// would if the other version was refused.
func TestARunDoesNotWaitForAVersionThatNobodyAsksFor(t *testing.T) {
	for name, c := range map[string]struct {
		ask     string
		last    *v1alpha1.LastCycleStatus
		request string // of the run after, "" for none
	}{
		"the version that all nodes run": {ask: "v1.34.1", request: v1alpha1.AnnotationUpgradeTo + "=v1.34.1"},
		"one that was refused":           {ask: "v1.99.0", last: &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationUpgradeTo + "=v1.99.0", Outcome: Refused}},
	} {
		w, p, policy := upgrading()
		id := worldtest.PoolID("workers")
		w.Cloud.Pools[0].Release = cloudprovider.Release{Kubernetes: "v1.34.1", Image: "old", ImageName: "Oracle-Linux-8.10-2026.05.29-0-OKE-1.34.1-1084"}
		for i := range w.Cloud.Instances[id] {
			w.Cloud.Instances[id][i].Release = w.Cloud.Pools[0].Release
			w.Objects.Nodes[i].Status.NodeInfo.KubeletVersion = "v1.34.1"
		}
		p.Annotations[v1alpha1.AnnotationUpgradeTo], p.Status.LastCycle = c.ask, c.last
		var r Report
		for range 3 {
			r = Decide(seen(w), policy).Pools[0]
			p.Status.Cycle, p.Status.LastCycle = r.Cycle, r.Last
			w.Now = w.Now.Add(time.Minute)
			if r.Cycle == nil || r.Cycle.Request == c.request {
				break
			}
		}
		if got := r.Cycle; got != nil && got.Request != c.request || got == nil && c.request != "" || r.Last == nil || r.Last.Outcome != Aborted {
			t.Errorf("%s: %+v, last %+v", name, got, r.Last)
		}
	}
}

// Somebody gives the node pool another release in the middle of a turn-over. What the run
// has made before is of the one that the pool had, and is replaced once more; what does not
// differ is not, however old it is then, or a pool whose release is changed and changed
// back would be turned over three times.
func TestATurnOverEndsWithWhatThePoolGives(t *testing.T) {
	for name, c := range map[string]struct {
		target  string // on record; "" is a run that an older version began
		other   bool   // the node that the run has made is of another release than the pool's
		stale   int
		changed bool
	}{
		"nothing is changed":               {"now", true, 1, false},
		"the record is of an older daemon": {"", true, 1, false},
		"another release":                  {"before", true, 2, true},
		"changed and changed back":         {"before", false, 1, true},
	} {
		w, p, policy := upgrading()
		delete(p.Annotations, v1alpha1.AnnotationUpgradeTo)
		p.Annotations[v1alpha1.AnnotationCycle] = "now"
		p.Status.Cycle.Request = v1alpha1.AnnotationCycle + "=now"
		if p.Status.Cycle.Target = c.target; c.target == "now" {
			p.Status.Cycle.Target = target(w.Cloud.Pools[0])
		}
		if !c.other {
			w.Cloud.Instances[worldtest.PoolID("workers")][1].Release = w.Cloud.Pools[0].Release
			w.Objects.Nodes[1].Status.NodeInfo.KubeletVersion = w.Cloud.Pools[0].Release.Kubernetes
		}
		r := Decide(seen(w), policy).Pools[0]
		if r.Stale != c.stale || (r.Cycle.ReleasedAt != nil) != c.changed || r.Cycle.Target != target(w.Cloud.Pools[0]) {
			t.Errorf("%s: %d stale, want %d; %+v", name, r.Stale, c.stale, r.Cycle)
		}
	}
}
