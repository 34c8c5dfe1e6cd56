package okesim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A machine that somebody stops stays down until somebody starts it, and its pool
// knows of neither.
func TestStopAndStartAnInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []EventType
		s := New(Options{OnEvent: func(e Event) { seen = append(seen, e.Type) }})
		defer s.Close()
		cluster := s.AddCluster(Cluster{})
		pool, err := s.AddPool(Pool{ClusterID: cluster, Name: "p", Shape: "VM.Standard.E4.Flex", Size: 1, Placements: []Placement{{AD: s.AvailabilityDomains()[0], SubnetID: "ocid1.subnet.oc1.iad.nodes"}}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		id := s.Instances()[0].ID
		state := func() string { i, _ := s.Instance(id); return i.State }
		if err := s.StopInstance(id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := state(); got != "STOPPED" || seen[len(seen)-1] != InstanceStopped {
			t.Errorf("state %s, events %v", got, seen)
		}
		if err := s.StopInstance(id); !errors.As(err, new(*Error)) {
			t.Errorf("to stop it twice: %v", err)
		}
		if v, err := s.Pool(pool); err != nil || v.Size != 1 || v.Nodes[0].State != "ACTIVE" {
			t.Errorf("the pool has noticed: %+v, %v", v, err)
		}
		if err := s.StartInstance(id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := state(); got != "RUNNING" || seen[len(seen)-1] != InstanceStarted {
			t.Errorf("state %s, events %v", got, seen)
		}
	})
}
