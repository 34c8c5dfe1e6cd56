package okesim

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

// stubborn is a Kubernetes whose pods go when the test says so.
type stubborn struct {
	mu    sync.Mutex
	asked []Eviction
	freed []string
	held  map[string]bool
}

func (k *stubborn) Evict(e Eviction) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, e)
}

func (k *stubborn) Uncordon(i Instance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.freed = append(k.freed, i.ID)
}

func (k *stubborn) Hold(i Instance, hold bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[i.ID] = hold
}

func (k *stubborn) evictions() []Eviction {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.asked)
}

func newStubborn() *stubborn { return &stubborn{held: map[string]bool{}} }

func (c *cloud) reboot(node string, e *containerengine.NodeEvictionSettings) (string, error) {
	r, err := c.oke.RebootClusterNode(c.t.Context(), containerengine.RebootClusterNodeRequest{ClusterId: &c.cluster, NodeId: &node,
		RebootClusterNodeDetails: containerengine.RebootClusterNodeDetails{NodeEvictionSettings: e}})
	if err != nil {
		return "", err
	}
	return *r.OpcWorkRequestId, nil
}

func (c *cloud) replaceBootVolume(node string) (string, error) {
	r, err := c.oke.ReplaceBootVolumeClusterNode(c.t.Context(), containerengine.ReplaceBootVolumeClusterNodeRequest{ClusterId: &c.cluster, NodeId: &node})
	if err != nil {
		return "", err
	}
	return *r.OpcWorkRequestId, nil
}

var now = &containerengine.NodeEvictionSettings{EvictionGraceDuration: common.String("PT0M")}

func TestRebootComesBack(t *testing.T) {
	c := newCloud(t, Options{Latency: long})
	id := c.pool("workers", 2)
	node := c.rest(id).Nodes[0].ID
	work, err := c.reboot(node, now)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.reboot(node, now)
	wantRefusal(t, err, 409, "IncorrectState")
	w := c.finished(work)
	if w.Status != containerengine.WorkRequestStatusSucceeded || w.OperationType != containerengine.WorkRequestOperationTypeClusterNodeReboot {
		t.Errorf("work request %s %s", w.OperationType, w.Status)
	}
	if i, _ := c.Instance(node); i.State != stateRunning || i.Boots != 2 || len(live(c.rest(id))) != 2 {
		t.Errorf("instance %+v", i)
	}
	want := []EventType{InstanceProvisioning, InstanceActive, InstanceStopped, InstanceStarted}
	c.eventually("told", func() bool { return len(c.told(node)) == len(want) })
	if diff := cmp.Diff(want, c.told(node)); diff != "" {
		t.Error(diff)
	}
}

func TestBootVolumeReplacementTakesTheRelease(t *testing.T) {
	for from, want := range map[string]string{"pool": "v1.34.2", "node": "v1.34.1"} {
		t.Run(from, func(t *testing.T) { testBootVolume(t, from, want) })
	}
}

func testBootVolume(t *testing.T, from, want string) {
	c := newCloud(t, Options{})
	c.SetBootVolumeFrom(from)
	id := c.pool("workers", 1)
	node := c.rest(id).Nodes[0]
	image, err := c.NewestImage("v1.34.2", e4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdatePool(id, PoolUpdate{KubernetesVersion: &image.KubernetesVersion, ImageID: &image.ID}, ""); err != nil {
		t.Fatal(err)
	}
	c.rest(id)
	work, err := c.replaceBootVolume(node.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.finished(work)
	i, err := c.Instance(node.ID)
	if err != nil || i.KubernetesVersion != want || i.PrivateIP != node.PrivateIP || i.Boots != 2 {
		t.Errorf("from the %s: %+v, %v", from, i, err)
	}
}

func TestNodeActionsAreRefused(t *testing.T) {
	c := newCloud(t, Options{})
	_, err := c.reboot("ocid1.instance.none", nil)
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
	spec := c.spec("basic", 1)
	c.cluster = c.AddCluster(Cluster{Name: "basic", Type: "BASIC_CLUSTER"})
	spec.ClusterID = c.cluster
	id, err := c.AddPool(spec)
	if err != nil {
		t.Fatal(err)
	}
	node := c.rest(id).Nodes[0].ID
	_, err = c.replaceBootVolume(node)
	wantRefusal(t, err, 400, "InvalidParameter")
	_, err = c.reboot(node, &containerengine.NodeEvictionSettings{EvictionGraceDuration: common.String("PT2H")})
	wantRefusal(t, err, 400, "InvalidParameter")
}

// deleteNode asks for a deletion over the API, with a grace and force ("" leaves both to the pool).
func (c *cloud) deleteNode(pool, node, grace string, force bool) (string, error) {
	req := containerengine.DeleteNodeRequest{NodePoolId: &pool, NodeId: &node, IsDecrementSize: common.Bool(true)}
	if grace != "" {
		req.OverrideEvictionGraceDuration, req.IsForceDeletionAfterOverrideGraceDuration = &grace, &force
	}
	r, err := c.oke.DeleteNode(c.t.Context(), req)
	if err != nil {
		return "", err
	}
	return *r.OpcWorkRequestId, nil
}

func (c *cloud) mustDeleteNode(pool, node, grace string, force bool) string {
	c.t.Helper()
	w, err := c.deleteNode(pool, node, grace, force)
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

func TestDeletionWaitsForEviction(t *testing.T) {
	k := newStubborn()
	c := newCloud(t, Options{Kubernetes: k})
	id := c.pool("workers", 3)
	nodes := c.rest(id).Nodes

	work := c.mustDeleteNode(id, nodes[0].ID, "", false)
	c.eventually("an eviction", func() bool { return len(k.evictions()) == 1 })
	if e := k.evictions()[0]; e.Instance.ID != nodes[0].ID || e.Grace != time.Hour || e.Force {
		t.Errorf("eviction %+v", e)
	}
	if i, _ := c.Instance(nodes[0].ID); i.State != stateRunning {
		t.Errorf("%s before its Node is empty", i.State)
	}
	c.Evicted(nodes[0].ID, nil)
	if w := c.finished(work); w.Status != containerengine.WorkRequestStatusSucceeded {
		t.Errorf("work request %s", w.Status)
	}

	c.finished(c.mustDeleteNode(id, nodes[1].ID, "PT0M", false)) // nobody is asked
	if n := len(k.evictions()); n != 1 {
		t.Errorf("%d evictions", n)
	}
	c.finished(c.mustDeleteNode(id, nodes[2].ID, "PT1S", true)) // the pods stay, the node goes after its grace
	if i, _ := c.Instance(nodes[2].ID); i.State != stateTerminated {
		t.Errorf("%s after a forced deletion", i.State)
	}
}

// A deletion that fails leaves the node marked; the size it gave up stays given up, and any later update deletes it.
func TestAFailedDeletionSticks(t *testing.T) {
	k := newStubborn()
	c := newCloud(t, Options{Kubernetes: k})
	id := c.pool("workers", 2)
	node := c.rest(id).Nodes[0].ID
	work := c.mustDeleteNode(id, node, "PT5M", false)
	c.eventually("an eviction", func() bool { return len(k.evictions()) == 1 })
	c.Evicted(node, errors.New("a disruption budget"))
	if w := c.finished(work); w.Status != containerengine.WorkRequestStatusFailed {
		t.Errorf("work request %s", w.Status)
	}
	p := c.rest(id)
	if p.State != poolNeedsAttention || p.Size != 1 || !slices.Contains(live(p), node) {
		t.Errorf("pool %s of size %d: %v", p.State, p.Size, live(p))
	}
	c.mustResize(id, 3) // growing retries the deletion too
	c.eventually("an eviction", func() bool { return len(k.evictions()) == 2 })
	c.Evicted(node, nil)
	if p := c.rest(id); p.State != poolActive || len(live(p)) != 3 || slices.Contains(live(p), node) {
		t.Errorf("pool %s: %v", p.State, live(p))
	}
}

func TestATerminationThatFailsSticks(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	node := c.rest(id).Nodes[0].ID
	c.BreakTerminations(id, 1)
	if w := c.finished(c.mustDeleteNode(id, node, "PT0M", true)); w.Status != containerengine.WorkRequestStatusFailed {
		t.Errorf("work request %s", w.Status)
	}
	c.finished(c.mustDeleteNode(id, node, "PT0M", true))
	if p := c.rest(id); p.Size != 1 || len(p.Nodes) != 1 {
		t.Errorf("size %d, nodes %+v: the second deletion must not shrink the pool again", p.Size, p.Nodes)
	}
}

func TestRebootUncordonsAndCyclingHolds(t *testing.T) {
	k := newStubborn()
	c := newCloud(t, Options{Kubernetes: k})
	id := c.pool("workers", 1)
	node := c.rest(id).Nodes[0].ID
	work, err := c.reboot(node, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.eventually("an eviction", func() bool { return len(k.evictions()) == 1 })
	c.Evicted(node, nil)
	c.finished(work)
	c.eventually("uncordon", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return slices.Equal(k.freed, []string{node}) })
	if work, err = c.upgrade(id, containerengine.NodePoolCyclingDetails{}); err != nil {
		t.Fatal(err)
	}
	c.eventually("an eviction of the old node", func() bool { return len(k.evictions()) == 2 })
	k.mu.Lock()
	if !k.held[node] || len(k.held) != 2 {
		t.Errorf("held %v", k.held)
	}
	k.mu.Unlock()
	c.Evicted(node, nil)
	c.finished(work)
	fresh := live(c.rest(id))[0]
	c.eventually("no hold", func() bool { k.mu.Lock(); defer k.mu.Unlock(); return !k.held[fresh] })
}

func TestPreemptionIsReplaced(t *testing.T) {
	c := newCloud(t, Options{})
	spec := c.spec("spot", 2)
	for i := range spec.Placements {
		spec.Placements[i].Preemptible = true
	}
	id, err := c.AddPool(spec)
	if err != nil {
		t.Fatal(err)
	}
	node := c.rest(id).Nodes[0].ID
	if err := c.Preempt(node); err != nil {
		t.Fatal(err)
	}
	p := c.rest(id)
	if len(live(p)) != 2 || slices.Contains(live(p), node) {
		t.Errorf("nodes %v after the preemption of %s", live(p), node)
	}
	if err := c.Preempt(c.rest(c.pool("plain", 1)).Nodes[0].ID); err == nil {
		t.Error("an ordinary instance was preempted")
	}
}

func TestReconcileMends(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 3)
	c.KillInstance(c.rest(id).Nodes[0].ID)
	c.BreakLaunches(id, 1, OutOfCapacity)
	c.finished(c.mustResize(id, 4))
	work, err := c.Reconcile(id)
	if err != nil {
		t.Fatal(err)
	}
	if w := c.finished(work); w.OperationType != containerengine.WorkRequestOperationTypeNodepoolReconcile || w.Status != containerengine.WorkRequestStatusSucceeded {
		t.Errorf("work request %s %s", w.OperationType, w.Status)
	}
	p := c.rest(id)
	if p.State != poolActive || len(live(p)) != 4 {
		t.Errorf("pool %s: %v", p.State, live(p))
	}
	for _, n := range live(p) {
		if i, _ := c.Instance(n); i.State != stateRunning {
			t.Errorf("instance %s is %s", n, i.State)
		}
	}
}
