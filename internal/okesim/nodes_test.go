package okesim

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

func TestDeleteNode(t *testing.T) {
	for _, tt := range []struct {
		name      string
		decrement *bool
		size      int
	}{
		{"decrement", common.Bool(true), 2},
		{"replace", common.Bool(false), 3},
		{"absent means replace", nil, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCloud(t, Options{})
			id := c.pool("workers", 3)
			before := c.rest(id)
			victim := before.Nodes[1].ID
			r, err := c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: &victim, IsDecrementSize: tt.decrement,
				OverrideEvictionGraceDuration: common.String("PT0M"), IsForceDeletionAfterOverrideGraceDuration: common.Bool(true)})
			if err != nil {
				t.Fatal(err)
			}
			if w := c.finished(*r.OpcWorkRequestId); w.Status != containerengine.WorkRequestStatusSucceeded {
				t.Errorf("work request %s", w.Status)
			}
			after := c.rest(id)
			ids := live(after)
			if after.Size != tt.size || len(ids) != tt.size || slices.Contains(ids, victim) {
				t.Errorf("size %d, nodes %v after deleting %s", after.Size, ids, victim)
			}
			for _, n := range []int{0, 2} {
				if !slices.Contains(ids, before.Nodes[n].ID) {
					t.Errorf("%s went too", before.Nodes[n].ID)
				}
			}
			c.eventually("told", func() bool { return len(c.told(victim)) == 4 })
			if diff := cmp.Diff([]EventType{InstanceProvisioning, InstanceActive, InstanceTerminating, InstanceTerminated}, c.told(victim)); diff != "" {
				t.Error(diff)
			}
			_, err = c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: &victim})
			wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
		})
	}
}

func TestADeletedNodeIsListedUntilItIsGoneAndCannotBeDeletedTwice(t *testing.T) {
	c := newCloud(t, Options{Latency: Latency{Accept: -1, Provision: -1, Boot: -1, Terminate: time.Hour}})
	id := c.pool("workers", 2)
	victim := c.rest(id).Nodes[0].ID
	del := func() error {
		_, err := c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: &victim, IsDecrementSize: common.Bool(true)})
		return err
	}
	if err := del(); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, del(), 409, "Conflict")
	p := c.get(id)
	if len(p.Nodes) != 2 || p.Nodes[0].LifecycleState != containerengine.NodeLifecycleStateDeleting || *p.NodeConfigDetails.Size != 1 ||
		p.LifecycleState != containerengine.NodePoolLifecycleStateUpdating {
		t.Errorf("pool %+v", p.NodePool)
	}
}

func TestSmallerSizeCostsWhatWorksLast(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 3)
	p := c.rest(id)
	c.mustResize(id, 1)
	if diff := cmp.Diff([]string{p.Nodes[2].ID}, live(c.rest(id))); diff != "" {
		t.Errorf("the oldest working nodes go first: %s", diff)
	}
}

func TestDeletePool(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	r, err := c.oke.DeleteNodePool(t.Context(), containerengine.DeleteNodePoolRequest{NodePoolId: &id})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.resize(id, 3, nil)
	if err == nil {
		t.Error("a pool that is being deleted was resized")
	}
	c.finished(*r.OpcWorkRequestId)
	_, err = c.oke.GetNodePool(t.Context(), containerengine.GetNodePoolRequest{NodePoolId: &id})
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
	if left := c.Instances(); len(left) != 0 {
		t.Errorf("instances left: %v", left)
	}
}

func TestRetiredImageFailsTheLaunch(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	if err := c.RetireImage(c.rest(id).ImageID); err != nil {
		t.Fatal(err)
	}
	c.mustResize(id, 2)
	if p := c.rest(id); len(live(p)) != 1 || p.Nodes[1].Error == nil {
		t.Errorf("nodes %+v", p.Nodes)
	}
	c.mustResize(id, 1) // and the pool can still shrink
	if p := c.rest(id); p.State != poolActive || len(live(p)) != 1 {
		t.Errorf("pool %s, nodes %+v", p.State, p.Nodes)
	}
}

func TestKilledInstanceStaysOnTheList(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	p := c.rest(id)
	c.SetCapacity(e4, p.Nodes[0].AD, 0)
	c.KillInstance(p.Nodes[0].ID)
	after := c.rest(id)
	if after.Size != 2 || len(after.Nodes) != 2 || after.Nodes[0].State != nodeActive || len(c.Instances()) != 1 {
		t.Errorf("pool %+v", after)
	}
	if _, err := c.DeleteNode(id, p.Nodes[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	if after = c.rest(id); len(after.Nodes) != 1 {
		t.Errorf("nodes %+v", after.Nodes)
	}
	c.eventually("told", func() bool { return len(c.told(p.Nodes[0].ID)) == 3 })
	if diff := cmp.Diff([]EventType{InstanceProvisioning, InstanceActive, InstanceTerminated}, c.told(p.Nodes[0].ID)); diff != "" {
		t.Errorf("an instance dies once: %s", diff)
	}
	c.mustResize(id, 2) // the AD with the fewest nodes is the one that lost its host: it must not have come back
	if p := c.rest(id); len(live(p)) != 1 {
		t.Errorf("a broken host was used again: %+v", p.Nodes)
	}
}

func TestKilledWhileBooting(t *testing.T) {
	c := newCloud(t, Options{Latency: Latency{Accept: -1, Provision: -1, Boot: time.Hour, Terminate: -1}})
	id, err := c.AddPool(c.spec("workers", 1))
	if err != nil {
		t.Fatal(err)
	}
	c.eventually("booting", func() bool { p, _ := c.Pool(id); return p.Nodes[0].State == nodeUpdating })
	c.KillInstance(c.Instances()[0].ID)
	p := c.rest(id)
	if p.State != poolNeedsAttention || p.Nodes[0].Error == nil || p.Nodes[0].ID == "" {
		t.Errorf("pool %+v", p)
	}
}
