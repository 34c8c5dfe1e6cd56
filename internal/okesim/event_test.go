package okesim

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tell runs a small story, much of it due at the same instants, and returns what a watcher heard. The watcher is slow, so events
// pile up behind it, and calls back into the cloud.
func tell(t *testing.T) []string {
	var heard []string
	var watching atomic.Int32
	var s *Sim
	s = New(Options{OnEvent: func(e Event) {
		if watching.Add(1) != 1 {
			t.Error("two events were handed out at once")
		}
		time.Sleep(3 * time.Second)
		if i, err := s.Instance(e.Instance.ID); err != nil || i.Name != e.Instance.Name {
			t.Errorf("a watcher cannot look: %+v, %v", i, err)
		}
		heard = append(heard, e.Type.String()+" "+e.Instance.ID)
		watching.Add(-1)
	}})
	id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 6))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	for n, i := range s.Instances() { // in order of launch, though all were launched at one instant
		if want := InstanceProvisioning.String() + " " + i.ID; heard[n] != want || !strings.HasSuffix(i.Name, fmt.Sprint("-", n)) {
			t.Errorf("event %d is %s, want %s (%s)", n, heard[n], want, i.Name)
		}
	}
	size := 2
	if _, err := s.UpdatePool(id, PoolUpdate{Size: &size}, ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	s.Close()
	return heard
}

func TestEventsComeOneByOneAndTheSameEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := tell(t)
		if len(first) != 6*2+4*2 {
			t.Errorf("heard %d events: %v", len(first), first)
		}
		for range 20 {
			if diff := cmp.Diff(first, tell(t)); diff != "" {
				t.Fatalf("the same story told twice differs: %s", diff)
			}
		}
	})
}

func TestAClosedCloudStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 1))
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		time.Sleep(time.Hour)
		if p, err := s.Pool(id); err != nil || p.Nodes[0].State != nodeCreating || p.Nodes[0].ID != "" {
			t.Errorf("pool %+v, %v", p, err)
		}
		s.Close() // twice is harmless
	})
}

func TestEventTypesHaveNames(t *testing.T) {
	for typ := InstanceProvisioning; typ <= InstanceTerminated; typ++ {
		if typ.String() == EventUnknown.String() {
			t.Errorf("event type %d has no name", typ)
		}
	}
}
