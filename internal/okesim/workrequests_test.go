package okesim

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

// The whole life of a resize on the bubble's clock: what can be seen when.
func TestTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		s := New(Options{Latency: Latency{Accept: time.Second, Provision: 10 * time.Second, Boot: 30 * time.Second, Terminate: 5 * time.Second},
			OnEvent: func(e Event) { events = append(events, e) }})
		defer s.Close()
		start := time.Now()
		id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 0))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		size := 1
		work, err := s.UpdatePool(id, PoolUpdate{Size: &size}, "")
		if err != nil {
			t.Fatal(err)
		}
		type look struct{ After, Pool, Node, Instance, Work string }
		var got []look
		see := func(after time.Duration) {
			time.Sleep(time.Until(start.Add(time.Minute + after)))
			synctest.Wait()
			p, err := s.Pool(id)
			if err != nil {
				t.Fatal(err)
			}
			w, err := s.WorkRequest(work)
			if err != nil {
				t.Fatal(err)
			}
			l := look{After: after.String(), Pool: p.State, Work: w.Status}
			for _, n := range p.Nodes {
				l.Node = n.State
			}
			for _, i := range s.Instances() {
				l.Instance = i.State
			}
			got = append(got, l)
		}
		see(0)
		see(time.Second)
		see(11 * time.Second)
		see(41 * time.Second)
		size = 0
		if work, err = s.UpdatePool(id, PoolUpdate{Size: &size}, ""); err != nil {
			t.Fatal(err)
		}
		see(41 * time.Second)
		see(42 * time.Second)
		see(47 * time.Second)
		want := []look{
			{"0s", "UPDATING", "CREATING", "", "ACCEPTED"},
			{"1s", "UPDATING", "CREATING", "PROVISIONING", "IN_PROGRESS"},
			{"11s", "UPDATING", "UPDATING", "RUNNING", "IN_PROGRESS"},
			{"41s", "ACTIVE", "ACTIVE", "RUNNING", "SUCCEEDED"},
			{"41s", "UPDATING", "DELETING", "RUNNING", "ACCEPTED"},
			{"42s", "UPDATING", "DELETING", "TERMINATING", "IN_PROGRESS"},
			{"47s", "ACTIVE", "", "", "SUCCEEDED"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		var times []string
		for _, e := range events {
			times = append(times, e.At.Sub(start.Add(time.Minute)).String()+" "+e.Type.String())
		}
		if diff := cmp.Diff([]string{"1s InstanceProvisioning", "41s InstanceActive", "42s InstanceTerminating", "47s InstanceTerminated"}, times); diff != "" {
			t.Error(diff)
		}
	})
}

func TestATakenBackLaunchNeverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 1))
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		if _, err := s.UpdatePool(id, PoolUpdate{Size: &size}, ""); err != nil { // before the launch is due
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if p, err := s.Pool(id); err != nil || len(p.Nodes) != 0 || p.State != poolActive || len(s.Instances()) != 0 {
			t.Errorf("pool %+v, %v, instances %v", p, err, s.Instances())
		}
	})
}

func TestALaunchTakesWhatThePoolSaysThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		defer s.Close()
		id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 3))
		if err != nil {
			t.Fatal(err)
		}
		image, err := s.NewestImage("v1.35.0", e4)
		if err != nil {
			t.Fatal(err)
		}
		before, err := s.Pool(id)
		if err != nil {
			t.Fatal(err)
		}
		size := 1
		if _, err := s.UpdatePool(id, PoolUpdate{KubernetesVersion: &image.KubernetesVersion, ImageID: &image.ID, Size: &size}, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		p, err := s.Pool(id)
		if err != nil || len(p.Nodes) != 1 || p.Nodes[0].Name != before.Nodes[0].Name {
			t.Fatalf("of three entries without an instance the oldest stays: %+v, %v", p.Nodes, err)
		}
		if i := s.Instances()[0]; p.Nodes[0].KubernetesVersion != "v1.35.0" || i.KubernetesVersion != "v1.35.0" || i.ImageID != image.ID {
			t.Errorf("node %+v, instance %+v", p.Nodes[0], i)
		}
	})
}

func TestWorkRequestsOverHTTP(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	work := c.mustResize(id, 2)
	w := c.finished(work)
	if w.TimeAccepted == nil || w.TimeStarted == nil || w.TimeFinished.Before(w.TimeStarted.Time) || len(w.Resources) == 0 || *w.Resources[0].Identifier != id ||
		*w.Resources[0].EntityType != "nodepool" || w.Resources[0].ActionType != containerengine.WorkRequestResourceActionTypeUpdated {
		t.Errorf("work request %+v", w)
	}
	compartment := c.Compartment()
	logs, err := c.oke.ListWorkRequestLogs(t.Context(), containerengine.ListWorkRequestLogsRequest{WorkRequestId: &work, CompartmentId: &compartment})
	if err != nil || len(logs.Items) < 3 {
		t.Errorf("logs %v, %v", logs.Items, err)
	}
	errs, err := c.oke.ListWorkRequestErrors(t.Context(), containerengine.ListWorkRequestErrorsRequest{WorkRequestId: &work, CompartmentId: &compartment})
	if err != nil || len(errs.Items) != 0 {
		t.Errorf("errors of a success: %v, %v", errs.Items, err)
	}
	newest, err := c.oke.ListWorkRequests(t.Context(), containerengine.ListWorkRequestsRequest{CompartmentId: &compartment, ResourceId: &id, Limit: common.Int(1),
		SortBy: containerengine.ListWorkRequestsSortByTimeAccepted, SortOrder: containerengine.ListWorkRequestsSortOrderDesc})
	if err != nil || len(newest.Items) != 1 || *newest.Items[0].Id != work || newest.OpcNextPage == nil {
		t.Errorf("the newest work request is %+v, %v", newest.Items, err)
	}
	failed, err := c.oke.ListWorkRequests(t.Context(), containerengine.ListWorkRequestsRequest{CompartmentId: &compartment, Status: []string{"FAILED"}})
	if err != nil || len(failed.Items) != 0 {
		t.Errorf("failed work requests %+v, %v", failed.Items, err)
	}
}
