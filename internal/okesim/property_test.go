package okesim

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// world is what the property test remembers beside the Sim.
type world struct {
	*Sim
	pool     string
	launched map[string]bool // every instance OCID that was ever told of
	ended    map[string]bool
	mu       sync.Mutex      // guards launched and ended while the clock runs
	etags    []string        // that the pool has had, in order
	gone     map[string]bool // instances that the pool does not list any more
}

func (w *world) look(t *rapid.T) PoolView {
	p, err := w.Pool(w.pool)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// failed counts the entries that stay only because their error has not been taken back.
func failed(p PoolView) int {
	n := 0
	for _, node := range p.Nodes {
		if node.Error != nil && node.State != nodeDeleting {
			n++
		}
	}
	return n
}

// Whatever is asked of a pool in whatever order, and whatever happens to it meanwhile: at rest its live and failed nodes are as many as its
// size says, no OCID serves twice, no node comes back, no etag comes back, and a size lowered by no more than what has failed costs no live node.
func TestAnyHistoryEndsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// In milliseconds, and hidden from rapid as a *testing.T, whose real deadline means nothing on the bubble's clock.
		rapid.Check(struct{ rapid.TB }{t}, checkHistory)
	})
}

func checkHistory(t *rapid.T) {
	w := &world{launched: map[string]bool{}, ended: map[string]bool{}, gone: map[string]bool{}}
	w.Sim = New(Options{Latency: Latency{Accept: time.Millisecond, Provision: 5 * time.Millisecond, Boot: 20 * time.Millisecond, Terminate: 7 * time.Millisecond}, OnEvent: func(e Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e.Type {
		case InstanceProvisioning:
			if w.launched[e.Instance.ID] {
				t.Errorf("OCID %s used twice", e.Instance.ID)
			}
			w.launched[e.Instance.ID] = true
		case InstanceTerminated:
			if w.ended[e.Instance.ID] {
				t.Errorf("%s terminated twice", e.Instance.ID)
			}
			w.ended[e.Instance.ID] = true
		}
	}})
	defer w.Close()
	var err error
	spec := specFor(w.Sim, w.AddCluster(Cluster{}), "workers", rapid.IntRange(0, 4).Draw(t, "first size"))
	spec.Placements[0].Preemptible = true
	if w.pool, err = w.AddPool(spec); err != nil {
		t.Fatal(err)
	}
	t.Repeat(map[string]func(*rapid.T){
		"wait": func(t *rapid.T) {
			time.Sleep(time.Duration(rapid.IntRange(0, 40).Draw(t, "ms")) * time.Millisecond)
			synctest.Wait() // what is due at this very instant comes first, so that a failure repeats
		},
		"resize":   w.resize,
		"takeBack": w.takeBack,
		"delete":   w.deleteOne,
		"kill":     w.killOne,
		"restart":  w.restartOne,
		"cycle":    w.cycle,
		"preempt": func(t *rapid.T) {
			if all := w.Instances(); len(all) > 0 {
				_ = w.Preempt(rapid.SampledFrom(all).Draw(t, "instance").ID) // refused for most: what counts is the state after
			}
		},
		"break": func(t *rapid.T) { w.BreakLaunches("", 1, rapid.SampledFrom(LaunchFaults()).Draw(t, "fault")) },
		"reconcile": func(t *rapid.T) {
			var refusal *Error
			if _, err := w.Reconcile(w.pool); err != nil && (!errors.As(err, &refusal) || refusal.Status != 409) {
				t.Fatal(err)
			}
		},
		"capacity": func(t *rapid.T) {
			w.SetCapacity(e4, rapid.SampledFrom(w.AvailabilityDomains()).Draw(t, "ad"), rapid.IntRange(-1, 2).Draw(t, "hosts"))
		},
		"": func(t *rapid.T) { w.checkAlways(t) },
	})
	time.Sleep(time.Minute)
	synctest.Wait()
	w.checkQuiet(t)
}

func (w *world) resize(t *rapid.T) {
	size := rapid.IntRange(0, 8).Draw(t, "size")
	before := w.look(t)
	etag := before.ETag
	var refusal *Error
	if _, err := w.UpdatePool(w.pool, PoolUpdate{Size: &size}, etag); err != nil {
		if errors.As(err, &refusal) && refusal.Status == 409 && size < before.Size && w.cycles() {
			return // a pool that is being cycled does not shrink
		}
		t.Fatal(err)
	}
	if _, err := w.UpdatePool(w.pool, PoolUpdate{Size: &size}, etag); !errors.As(err, &refusal) || refusal.Status != 412 {
		t.Fatalf("a stale etag: %v", err)
	}
}

// takeBack lowers the size by what has failed, at most, and expects every live node to stay.
func (w *world) takeBack(t *rapid.T) {
	before := w.look(t)
	n := failed(before)
	if n == 0 || w.cycles() {
		return
	}
	size := before.Size - rapid.IntRange(1, n).Draw(t, "entries")
	if _, err := w.UpdatePool(w.pool, PoolUpdate{Size: &size}, before.ETag); err != nil {
		t.Fatal(err)
	}
	after := map[string]string{}
	for _, node := range w.look(t).Nodes {
		after[node.ID] = node.State
	}
	for _, node := range before.Nodes {
		if node.ID != "" && node.Error == nil && after[node.ID] != node.State {
			t.Fatalf("taking back failed entries turned %s from %s to %q", node.ID, node.State, after[node.ID])
		}
	}
}

func (w *world) deleteOne(t *rapid.T) {
	p := w.look(t)
	var ids []string
	for _, n := range p.Nodes {
		if n.ID != "" {
			ids = append(ids, n.ID)
		}
	}
	if len(ids) == 0 {
		return
	}
	id := rapid.SampledFrom(ids).Draw(t, "node")
	decrement := rapid.Bool().Draw(t, "decrement")
	_, err := w.DeleteNode(w.pool, id, decrement, "")
	for _, n := range p.Nodes {
		if n.ID == id && (err != nil) != (n.State == nodeDeleting || decrement && w.cycles()) {
			t.Fatalf("deleting a node that is %s: %v", n.State, err)
		}
	}
	if got := w.look(t).Size; err == nil && decrement != (got == p.Size-1) {
		t.Fatalf("size %d after deleting one of %d, decrement %v", got, p.Size, decrement)
	}
}

func (w *world) killOne(t *rapid.T) {
	if all := w.Instances(); len(all) > 0 {
		w.KillInstance(rapid.SampledFrom(all).Draw(t, "instance").ID)
	}
}

// cycles says whether a cycle is under way.
func (w *world) cycles() bool {
	w.Sim.mu.Lock()
	defer w.Sim.mu.Unlock()
	p, err := w.findPool(w.pool)
	return err == nil && p.cycling != nil
}

// cycle asks for another version, back and forth, in either mode, with some bounds.
func (w *world) cycle(t *rapid.T) {
	before := w.look(t)
	version := map[string]string{"v1.34.1": "v1.34.2", "v1.34.2": "v1.34.1"}[before.KubernetesVersion]
	image, err := w.NewestImage(version, e4)
	if err != nil {
		t.Fatal(err)
	}
	how := Cycling{MaxSurge: rapid.SampledFrom([]string{"", "0", "2", "50%"}).Draw(t, "surge"), MaxUnavailable: rapid.SampledFrom([]string{"1", "50%"}).Draw(t, "unavailable"),
		Modes: rapid.SampledFrom([][]string{nil, {ModeBootVolumeReplace}, {ModeBootVolumeReplace, ModeInstanceReplace}}).Draw(t, "modes")}
	_, err = w.UpdatePool(w.pool, PoolUpdate{KubernetesVersion: &version, ImageID: &image.ID, Cycling: &how}, "")
	var refusal *Error
	if err != nil && (!errors.As(err, &refusal) || refusal.Status != 409 || before.State != poolUpdating && before.State != poolCreating) {
		t.Fatalf("cycle a pool that is %s: %v", before.State, err)
	}
}

// restartOne reboots a node or replaces its volume by the API.
func (w *world) restartOne(t *rapid.T) {
	p := w.look(t)
	if len(p.Nodes) == 0 {
		return
	}
	node := rapid.SampledFrom(p.Nodes).Draw(t, "node")
	action := rapid.SampledFrom([]string{"reboot", "replaceBootVolume"}).Draw(t, "action")
	r, err := http.NewRequest("POST", "http://oci/20180222/clusters/"+p.ClusterID+"/nodes/"+url.PathEscape(cmp.Or(node.ID, "none"))+"/actions/"+action, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.Do(r)
	if err != nil || a.StatusCode != 202 && a.StatusCode != 404 && a.StatusCode != 409 {
		t.Fatalf("%s: %+v, %v", action, a, err)
	}
	if a.StatusCode == 202 && node.State != nodeActive {
		t.Fatalf("%s of a node that is %s was accepted", action, node.State)
	}
}

// checkHistoryOf the pool: an etag changes and never returns, and so does an instance that left the list.
func (w *world) checkHistoryOf(t *rapid.T, p PoolView) {
	if len(w.etags) == 0 || w.etags[len(w.etags)-1] != p.ETag {
		if slices.Contains(w.etags, p.ETag) {
			t.Fatalf("etag %s is back", p.ETag)
		}
		w.etags = append(w.etags, p.ETag)
	}
	listed := map[string]bool{}
	for _, n := range p.Nodes {
		listed[n.ID] = true
		if w.gone[n.ID] {
			t.Fatalf("node %s is back", n.ID)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.launched {
		if w.ended[id] && !listed[id] {
			w.gone[id] = true
		}
	}
}

// checkAlways holds at every moment: the entries that stay never outnumber the size (and a cycle's surge), and a pool with work under way says so.
func (w *world) checkAlways(t *rapid.T) {
	p := w.look(t)
	w.checkHistoryOf(t, p)
	stay := 0
	for _, n := range p.Nodes {
		if n.State != nodeDeleting {
			stay++
		}
	}
	for _, work := range w.WorkRequests() {
		if work.Finished.IsZero() && p.State != poolCreating && p.State != poolUpdating {
			t.Fatalf("pool %s while %s is %s", p.State, work.Operation, work.Status)
		}
	}
	if stay > p.Size && !(w.cycles() && stay <= p.Size+max(2, (p.Size+1)/2)) {
		t.Fatalf("%d entries stay in a pool of size %d", stay, p.Size)
	}
}

func (w *world) checkQuiet(t *rapid.T) {
	p := w.look(t)
	active, bad := 0, failed(p)
	for _, n := range p.Nodes {
		switch {
		case n.State == nodeDeleting:
			t.Fatalf("%s is still DELETING at rest", n.Name)
		case n.Error == nil && n.State == nodeActive:
			active++
		}
	}
	if active+bad != p.Size || len(p.Nodes) != p.Size {
		t.Fatalf("%d active + %d failed != size %d", active, bad, p.Size)
	}
	if want := map[bool]string{true: poolNeedsAttention, false: poolActive}[bad > 0]; p.State != want {
		for _, work := range w.WorkRequests() {
			if work.Finished.IsZero() {
				t.Logf("unfinished: %+v", work)
			}
		}
		t.Fatalf("pool %s with %d failed nodes: %+v", p.State, bad, p.Nodes)
	}
	listed := map[string]bool{}
	for _, n := range p.Nodes {
		listed[n.ID] = true
	}
	for _, i := range w.Instances() {
		if !listed[i.ID] {
			t.Fatalf("instance %s runs and no pool lists it", i.ID)
		}
	}
	for id := range w.launched {
		if !w.ended[id] && !listed[id] {
			t.Fatalf("instance %s was launched and is neither listed nor terminated", id)
		}
	}
	for _, work := range w.WorkRequests() {
		if work.Finished.IsZero() || (work.Status == workFailed) != (len(work.Errors) > 0) {
			t.Fatalf("work request at rest: %+v", work)
		}
	}
}
