package world

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
)

// poolAt is a whole look at one pool, with machines that were made when the cloud says.
func poolAt(w *witness, now time.Time, made map[string]time.Time) map[string]*Node {
	p := &Pool{Cloud: cloudprovider.NodePool{ID: "pool"}}
	out := map[string]*Node{}
	for id, at := range made {
		n := &Node{Instance: &cloudprovider.Instance{ID: cloudprovider.InstanceID(id), Created: at}}
		out[id], p.Nodes = n, append(p.Nodes, n)
	}
	w.meet(&Snapshot{Now: now, CloudObserved: now, Pools: []*Pool{p}})
	return out
}

// A machine that was not there at the look before is no older than that, whatever the
// cloud's clock says, and stays so; a clock that is right is believed to the second.
func TestAMachineIsNoOlderThanTheLookWithoutIt(t *testing.T) {
	for _, off := range []time.Duration{0, -90 * time.Second, -10 * time.Minute, -26 * time.Hour, 10 * time.Minute} {
		w, before := &witness{}, tenOClock
		poolAt(w, before, nil)
		now := before.Add(15 * time.Second)
		made := map[string]time.Time{"a": now.Add(off - 3*time.Second)}
		at := poolAt(w, now, made)["a"].Created()
		if at.Before(before) || at.After(now) {
			t.Errorf("clock %s off: made at %s, and seen to be made between %s and %s", off, at, before, now)
		}
		if off == 0 && !at.Equal(made["a"]) {
			t.Errorf("a clock that is right is not believed: %s", at)
		}
		later := now.Add(time.Hour)
		n := poolAt(w, later, made)["a"]
		if !n.Created().Equal(at) || n.Watched(later) != time.Hour {
			t.Errorf("clock %s off: an hour later it was made at %s and is watched for %s", off, n.Created(), n.Watched(later))
		}
	}
}

// The first look believes how old a machine is, and has not watched it; nor has a look
// that could not hear of its pool anything to say about when it came.
func TestWhoHasJustBegunHasWatchedNothing(t *testing.T) {
	w, day := &witness{}, map[string]time.Time{"a": tenOClock.Add(-26 * time.Hour)}
	n := poolAt(w, tenOClock, day)["a"]
	if !n.Created().Equal(day["a"]) || n.Watched(tenOClock) != 0 {
		t.Errorf("it was made at %s and is watched for %s", n.Created(), n.Watched(tenOClock))
	}
	now := tenOClock.Add(time.Minute)
	w.meet(&Snapshot{Now: now, CloudObserved: now, CloudErr: errors.New("no answer")})
	ill := &Pool{Cloud: cloudprovider.NodePool{ID: "pool", Health: cloudprovider.Health{Err: errors.New("no answer")}}}
	w.meet(&Snapshot{Now: now, CloudObserved: now, Pools: []*Pool{ill}})
	now = now.Add(time.Minute)
	n = poolAt(w, now, day)["a"]
	if !n.Created().Equal(day["a"]) || n.Watched(now) != 2*time.Minute {
		t.Errorf("after looks that heard nothing it was made at %s and is watched for %s", n.Created(), n.Watched(now))
	}
	if alone := (&Node{Instance: n.Instance}); alone.Watched(now) < 1000*time.Hour {
		t.Errorf("in a single look it is watched for %s", alone.Watched(now))
	}
}

// What a list left out for once is as old as its Node.
func TestAMachineThatWasLeftOutIsNotYoung(t *testing.T) {
	w, made := &witness{}, tenOClock.Add(-time.Hour)
	poolAt(w, tenOClock, map[string]time.Time{"a": made})
	poolAt(w, tenOClock.Add(time.Minute), nil)
	now := tenOClock.Add(2 * time.Minute)
	n := watched("n", made.Add(time.Minute), made.Add(2*time.Minute), corev1.ConditionTrue)
	n.Instance = &cloudprovider.Instance{ID: "a", Created: made}
	w.meet(&Snapshot{Now: now, CloudObserved: now, Pools: []*Pool{{Cloud: cloudprovider.NodePool{ID: "pool"}, Nodes: []*Node{n}}}})
	if !n.Created().Equal(made) {
		t.Errorf("it was made at %s, and is said to be of %s", made, n.Created())
	}
}

// A process that finds a machine at its first look, dated by a clock that was ahead when
// it was made, knows by the Node that it is older: a run that begins with that look has
// not made it. A clock that is right is believed to the second here, too.
func TestAMachineIsNoYoungerThanItsNode(t *testing.T) {
	for _, off := range []time.Duration{0, 90 * time.Second, 10 * time.Minute, 26 * time.Hour} { // 10 minutes: past by now, and not as old as it is
		made, w := tenOClock.Add(-30*time.Minute), &witness{}
		up := made.Add(time.Minute)
		n := watched("n", up, up, corev1.ConditionTrue)
		n.Instance = &cloudprovider.Instance{ID: "a", Created: made.Add(off)}
		lookAt(w, tenOClock, 0, n)
		w.meet(&Snapshot{Now: tenOClock, CloudObserved: tenOClock, Pools: []*Pool{{Cloud: cloudprovider.NodePool{ID: "pool"}, Nodes: []*Node{n}}}})
		want := up
		if off == 0 {
			want = made
		}
		if !n.Created().Equal(want) {
			t.Errorf("clock %s ahead: a machine of %s whose Node is of %s is said to be made at %s", off, made, up, n.Created())
		}
	}
}
