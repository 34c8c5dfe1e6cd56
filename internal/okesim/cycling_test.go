package okesim

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

// upgrade asks for a pool's next version, with the service's own cycling.
func (c *cloud) upgrade(id string, how containerengine.NodePoolCyclingDetails) (string, error) {
	c.t.Helper()
	image, err := c.NewestImage("v1.34.2", e4)
	if err != nil {
		c.t.Fatal(err)
	}
	how.IsNodeCyclingEnabled = common.Bool(true)
	r, err := c.oke.UpdateNodePool(c.t.Context(), containerengine.UpdateNodePoolRequest{NodePoolId: &id, UpdateNodePoolDetails: containerengine.UpdateNodePoolDetails{
		KubernetesVersion:      common.String("v1.34.2"),
		NodeSourceDetails:      containerengine.NodeSourceViaImageDetails{ImageId: &image.ID},
		NodePoolCyclingDetails: &how,
	}})
	if err != nil {
		return "", err
	}
	return *r.OpcWorkRequestId, nil
}

func TestCyclingReplacesEveryNode(t *testing.T) {
	c := newCloud(t, Options{Latency: long})
	id := c.pool("workers", 3)
	before := c.rest(id)
	work, err := c.upgrade(id, containerengine.NodePoolCyclingDetails{MaximumSurge: common.String("50%")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.resize(id, 2, nil)
	wantRefusal(t, err, 409, "IncorrectState")
	_, err = c.upgrade(id, containerengine.NodePoolCyclingDetails{})
	wantRefusal(t, err, 409, "IncorrectState")
	w := c.finished(work)
	if w.Status != containerengine.WorkRequestStatusSucceeded || w.OperationType != containerengine.WorkRequestOperationTypeNodepoolCycling {
		t.Errorf("work request %s %s", w.OperationType, w.Status)
	}
	after := c.rest(id)
	places := func(p PoolView) (all []string) {
		for _, n := range p.Nodes {
			all = append(all, n.AD+n.FaultDomain)
		}
		slices.Sort(all)
		return all
	}
	if !slices.Equal(places(before), places(after)) {
		t.Errorf("places %v became %v", places(before), places(after))
	}
	for _, n := range after.Nodes {
		if n.KubernetesVersion != "v1.34.2" || n.State != nodeActive || slices.Contains(live(before), n.ID) {
			t.Errorf("node %+v", n)
		}
	}
}

func TestCyclingByBootVolumeKeepsInstances(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 3)
	before := c.rest(id)
	work, err := c.upgrade(id, containerengine.NodePoolCyclingDetails{CycleModes: []containerengine.CycleModeEnum{containerengine.CycleModeBootVolumeReplace}})
	if err != nil {
		t.Fatal(err)
	}
	if w := c.finished(work); w.Status != containerengine.WorkRequestStatusSucceeded {
		t.Errorf("work request %s", w.Status)
	}
	after := c.rest(id)
	if !slices.Equal(live(before), live(after)) {
		t.Errorf("instances %v became %v", live(before), live(after))
	}
	for _, n := range after.Nodes {
		i, err := c.Instance(n.ID)
		if err != nil || n.KubernetesVersion != "v1.34.2" || i.KubernetesVersion != "v1.34.2" || i.ImageID != after.ImageID || i.Boots != 2 {
			t.Errorf("node %+v, instance %+v, %v", n, i, err)
		}
	}
}

func TestBootVolumeCyclingFailsWhereAVolumeIsNotEnough(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	before := live(c.rest(id))
	r, err := c.oke.UpdateNodePool(t.Context(), containerengine.UpdateNodePoolRequest{NodePoolId: &id, UpdateNodePoolDetails: containerengine.UpdateNodePoolDetails{
		InitialNodeLabels: []containerengine.KeyValue{{Key: common.String("a"), Value: common.String("b")}},
		NodePoolCyclingDetails: &containerengine.NodePoolCyclingDetails{IsNodeCyclingEnabled: common.Bool(true),
			CycleModes: []containerengine.CycleModeEnum{containerengine.CycleModeBootVolumeReplace}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if w := c.finished(*r.OpcWorkRequestId); w.Status != containerengine.WorkRequestStatusFailed {
		t.Errorf("work request %s", w.Status)
	}
	if got := live(c.rest(id)); !slices.Equal(got, before) {
		t.Errorf("nodes %v became %v", before, got)
	}
}

func TestCyclingOfABusyPoolIsRefused(t *testing.T) {
	c := newCloud(t, Options{Latency: Latency{Accept: time.Hour}})
	id, err := c.AddPool(c.spec("workers", 1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.upgrade(id, containerengine.NodePoolCyclingDetails{})
	wantRefusal(t, err, 409, "IncorrectState")
}

func TestCyclingIsRefused(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	text := common.String
	for _, how := range []containerengine.NodePoolCyclingDetails{
		{MaximumSurge: text("0"), MaximumUnavailable: text("0")},
		{MaximumSurge: text("-1")},
		{MaximumSurge: text("101%")},
		{MaximumUnavailable: text("some")},
		{MaximumUnavailable: text("0"), CycleModes: []containerengine.CycleModeEnum{containerengine.CycleModeBootVolumeReplace}},
	} {
		_, err := c.upgrade(id, how)
		wantRefusal(t, err, 400, "InvalidParameter")
	}
	enabled := &containerengine.NodePoolCyclingDetails{IsNodeCyclingEnabled: common.Bool(true)}
	_, err := c.oke.UpdateNodePool(t.Context(), containerengine.UpdateNodePoolRequest{NodePoolId: &id, UpdateNodePoolDetails: containerengine.UpdateNodePoolDetails{
		NodePoolCyclingDetails: enabled, NodeConfigDetails: &containerengine.UpdateNodePoolNodeConfigDetails{
			PlacementConfigs: []containerengine.NodePoolPlacementConfigDetails{{AvailabilityDomain: &c.AvailabilityDomains()[0], SubnetId: text("other")}}}}})
	wantRefusal(t, err, 409, "Conflict")

	spec := c.spec("basic", 1)
	spec.ClusterID = c.AddCluster(Cluster{Name: "basic", Type: "BASIC_CLUSTER"})
	basic, err := c.AddPool(spec)
	if err != nil {
		t.Fatal(err)
	}
	c.rest(basic)
	_, err = c.upgrade(basic, containerengine.NodePoolCyclingDetails{})
	wantRefusal(t, err, 400, "InvalidParameter")
}

// Without hosts a cycle stops, takes its surge back, and leaves every old node.
func TestCyclingWithoutCapacityStops(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 3)
	before := live(c.rest(id))
	for _, ad := range c.AvailabilityDomains() {
		c.SetCapacity(e4, ad, 0)
	}
	work, err := c.upgrade(id, containerengine.NodePoolCyclingDetails{})
	if err != nil {
		t.Fatal(err)
	}
	if w := c.finished(work); w.Status != containerengine.WorkRequestStatusFailed {
		t.Errorf("work request %s", w.Status)
	}
	c.eventually("only the old nodes", func() bool { p := c.rest(id); return slices.Equal(live(p), before) && len(p.Nodes) == 3 })
}

func TestCyclingCanBeCancelled(t *testing.T) {
	c := newCloud(t, Options{Latency: long})
	id := c.pool("workers", 3)
	work, err := c.upgrade(id, containerengine.NodePoolCyclingDetails{})
	if err != nil {
		t.Fatal(err)
	}
	c.eventually("a surge node", func() bool { return len(c.get(id).Nodes) == 4 })
	if _, err := c.oke.DeleteWorkRequest(t.Context(), containerengine.DeleteWorkRequestRequest{WorkRequestId: &work}); err != nil {
		t.Fatal(err)
	}
	if w := c.finished(work); w.Status != containerengine.WorkRequestStatusCanceled {
		t.Errorf("work request %s", w.Status)
	}
	_, err = c.oke.DeleteWorkRequest(t.Context(), containerengine.DeleteWorkRequestRequest{WorkRequestId: &work})
	wantRefusal(t, err, 409, "IncorrectState")
	if p := c.rest(id); len(live(p)) != 3 {
		t.Errorf("nodes %v", live(p))
	}
}

// The bounds hold at every moment: never more instances than size + surge, never fewer working nodes than size − unavailable.
func TestCyclingKeepsItsBounds(t *testing.T) {
	for _, b := range []struct{ surge, unavailable, most, least int }{{1, 0, 7, 6}, {0, 2, 6, 4}, {3, 2, 9, 4}} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Options{Latency: Latency{Accept: time.Second, Provision: 3 * time.Second, Boot: 7 * time.Second, Terminate: 2 * time.Second}})
			defer s.Close()
			id, err := s.AddPool(specFor(s, s.AddCluster(Cluster{}), "workers", 6))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			image, err := s.NewestImage("v1.34.2", e4)
			if err != nil {
				t.Fatal(err)
			}
			version := "v1.34.2"
			text := []string{"0", "1", "2", "3"}
			if _, err := s.UpdatePool(id, PoolUpdate{KubernetesVersion: &version, ImageID: &image.ID,
				Cycling: &Cycling{MaxSurge: text[b.surge], MaxUnavailable: text[b.unavailable]}}, ""); err != nil {
				t.Fatal(err)
			}
			for range 600 {
				time.Sleep(time.Second / 2)
				p, _ := s.Pool(id)
				working := 0
				for _, n := range p.Nodes {
					if n.State == nodeActive {
						working++
					}
				}
				if len(p.Nodes) > b.most || working < b.least {
					t.Fatalf("%+v: %d instances, %d working", b, len(p.Nodes), working)
				}
			}
			p, _ := s.Pool(id)
			if p.State != poolActive || len(p.Nodes) != 6 {
				t.Errorf("%+v: pool %s with %d nodes", b, p.State, len(p.Nodes))
			}
			for _, n := range p.Nodes {
				if n.KubernetesVersion != version {
					t.Errorf("%+v: node %+v", b, n)
				}
			}
		})
	}
}

// Failed nodes use up what may be unavailable. A cycle that can do nothing more ends with an error instead of waiting for ever.
func TestCyclingThatIsStuckFails(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	before := live(c.rest(id))
	c.BreakLaunches(id, 2, OutOfCapacity)
	c.finished(c.mustResize(id, 4))
	work, err := c.upgrade(id, containerengine.NodePoolCyclingDetails{MaximumSurge: common.String("0"), MaximumUnavailable: common.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	if w := c.finished(work); w.Status != containerengine.WorkRequestStatusFailed {
		t.Errorf("work request %s", w.Status)
	}
	if got := live(c.rest(id)); !slices.Equal(got, before) {
		t.Errorf("nodes %v became %v", before, got)
	}
}
