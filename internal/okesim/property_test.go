package okesim

import (
	"errors"
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

// Whatever is asked of a pool in whatever order: at rest its live and failed nodes are as many as its size says, no OCID serves twice, and a
// size lowered by no more than what has failed costs no live node.
func TestAnyHistoryEndsRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// In milliseconds, and hidden from rapid as a *testing.T, whose real deadline means nothing on the bubble's clock.
		rapid.Check(struct{ rapid.TB }{t}, checkHistory)
	})
}

func checkHistory(t *rapid.T) {
	w := &world{launched: map[string]bool{}, ended: map[string]bool{}}
	w.Sim = New(Options{Latency: Latency{Accept: time.Millisecond, Provision: 5 * time.Millisecond, Boot: 20 * time.Millisecond, Terminate: 7 * time.Millisecond}, OnEvent: func(e Event) {
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
	if w.pool, err = w.AddPool(specFor(w.Sim, w.AddCluster(Cluster{}), "workers", rapid.IntRange(0, 4).Draw(t, "first size"))); err != nil {
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
		"capacity": func(t *rapid.T) {
			w.SetCapacity(e4, rapid.SampledFrom(w.AvailabilityDomains()).Draw(t, "ad"), rapid.IntRange(-1, 2).Draw(t, "hosts"))
		},
		"": func(t *rapid.T) { w.checkAlways(t) },
	})
	time.Sleep(time.Second)
	synctest.Wait()
	w.checkQuiet(t)
}

func (w *world) resize(t *rapid.T) {
	size := rapid.IntRange(0, 8).Draw(t, "size")
	etag := w.look(t).ETag
	if _, err := w.UpdatePool(w.pool, PoolUpdate{Size: &size}, etag); err != nil {
		t.Fatal(err)
	}
	var refusal *Error
	if _, err := w.UpdatePool(w.pool, PoolUpdate{Size: &size}, etag); !errors.As(err, &refusal) || refusal.Status != 412 {
		t.Fatalf("a stale etag: %v", err)
	}
}

// takeBack lowers the size by what has failed, at most, and expects every live node to stay.
func (w *world) takeBack(t *rapid.T) {
	before := w.look(t)
	n := failed(before)
	if n == 0 {
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
		if n.ID == id && (err != nil) != (n.State == nodeDeleting) {
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

// checkAlways holds at every moment: the entries that stay never outnumber the size, and a pool with work under way says so.
func (w *world) checkAlways(t *rapid.T) {
	p := w.look(t)
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
	if stay > p.Size {
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
		t.Fatalf("pool %s with %d failed nodes", p.State, bad)
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
