package okesim

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

func TestPagingReachesTheEnd(t *testing.T) {
	c := newCloud(t, Options{PageSize: 2})
	var want []string
	for i := range 5 {
		id, err := c.AddPool(c.spec(fmt.Sprintf("pool-%d", i), 0))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	compartment := c.Compartment()
	req := containerengine.ListNodePoolsRequest{CompartmentId: &compartment, Limit: common.Int(100)}
	var got []string
	for pages := 1; ; pages++ {
		r, err := c.oke.ListNodePools(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Items {
			got = append(got, *p.Id)
		}
		if r.OpcNextPage == nil {
			if pages != 3 {
				t.Errorf("5 pools in %d pages of 2", pages)
			}
			break
		}
		req.Page = r.OpcNextPage
		if pages == 1 { // a pool that was on page one goes: nothing of page two may be lost
			c.DeletePool(got[0])
			c.eventually("pool gone", func() bool { _, err := c.Pool(want[0]); return err != nil })
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	_, err := c.oke.ListNodePools(t.Context(), containerengine.ListNodePoolsRequest{CompartmentId: &compartment, Page: common.String("nonsense")})
	wantRefusal(t, err, 400, "InvalidParameter")
}

func TestListsAreBareArrays(t *testing.T) {
	c := newCloud(t, Options{})
	r, err := c.server.Client().Get(c.server.URL + "/20180222/nodePools?compartmentId=" + c.Compartment())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || strings.TrimSpace(string(body)) != "[]" {
		t.Errorf("an empty list is %q, %v", body, err)
	}
}

func TestResizeIsCompareAndSet(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	before := c.get(id)
	if _, err := c.resize(id, 2, before.Etag); err != nil {
		t.Fatal(err)
	}
	_, err := c.resize(id, 3, before.Etag)
	wantRefusal(t, err, 412, "NoEtagMatch")
	c.rest(id)
	after := c.get(id)
	if *after.Etag == *before.Etag || *after.NodeConfigDetails.Size != 2 {
		t.Errorf("etag %s, size %d after one resize to 2", *after.Etag, *after.NodeConfigDetails.Size)
	}
	if again := c.get(id); *again.Etag != *after.Etag {
		t.Error("the etag changed although nothing else did")
	}
	_, err = c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: after.Nodes[0].Id, IfMatch: before.Etag})
	wantRefusal(t, err, 412, "NoEtagMatch")
}

func TestResizeUpBecomesActive(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 0)
	w := c.finished(c.mustResize(id, 6))
	if w.Status != containerengine.WorkRequestStatusSucceeded || w.OperationType != containerengine.WorkRequestOperationTypeNodepoolUpdate {
		t.Errorf("work request %s %s", w.OperationType, w.Status)
	}
	p := c.get(id)
	spread := map[string]int{}
	for _, n := range p.Nodes {
		if n.LifecycleState != containerengine.NodeLifecycleStateActive || *n.Id == "" || n.NodeError != nil || *n.KubernetesVersion != "v1.34.1" {
			t.Errorf("node %+v", n)
		}
		spread[*n.AvailabilityDomain]++
		spread[*n.AvailabilityDomain+*n.FaultDomain]++
		c.eventually("told", func() bool { return len(c.told(*n.Id)) == 2 })
		if diff := cmp.Diff([]EventType{InstanceProvisioning, InstanceActive}, c.told(*n.Id)); diff != "" {
			t.Error(diff)
		}
	}
	for _, ad := range c.AvailabilityDomains() {
		if spread[ad] != 2 || spread[ad+"FAULT-DOMAIN-1"] != 1 || spread[ad+"FAULT-DOMAIN-2"] != 1 {
			t.Errorf("6 nodes over 3 domains: %v", spread)
		}
	}
}

func TestOutOfCapacityAndTakingItBack(t *testing.T) {
	for _, form := range []string{"", "null", "absent"} {
		t.Run("id form "+form, func(t *testing.T) {
			c := newCloud(t, Options{IDForm: form})
			id := c.pool("workers", 3)
			before := live(c.rest(id))
			for _, ad := range c.AvailabilityDomains() {
				c.SetCapacity(e4, ad, 0)
			}
			w := c.mustResize(id, 5)
			if got := c.finished(w); got.Status != containerengine.WorkRequestStatusFailed {
				t.Errorf("work request %s", got.Status)
			}
			c.wantWorkError(w, "InternalError", "Out of host capacity.")

			p := c.get(id)
			if p.LifecycleState != containerengine.NodePoolLifecycleStateNeedsAttention || len(p.Nodes) != 5 {
				t.Fatalf("pool %s with %d nodes", p.LifecycleState, len(p.Nodes))
			}
			for _, n := range p.Nodes[3:] {
				if n.Id != nil && (form != "" || *n.Id != "") {
					t.Errorf("a failed entry has the id %q", *n.Id)
				}
				if n.NodeError == nil || *n.NodeError.Code != "InternalError" || *n.NodeError.Status != "500" || n.LifecycleState != containerengine.NodeLifecycleStateCreating {
					t.Errorf("failed entry %+v", n)
				}
			}

			c.finished(c.mustResize(id, 3))
			after := c.rest(id)
			if after.State != poolActive || len(after.Nodes) != 3 {
				t.Errorf("pool %s with %d nodes after taking the growth back", after.State, len(after.Nodes))
			}
			if diff := cmp.Diff(before, live(after)); diff != "" {
				t.Errorf("taking back failed entries touched live nodes: %s", diff)
			}
		})
	}
}

func TestCapacityIsPerDomainAndComesBack(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 0)
	ads := c.AvailabilityDomains()
	c.SetCapacity(e4, ads[1], 0)
	c.mustResize(id, 3)
	p := c.rest(id)
	if len(live(p)) != 2 || p.Nodes[1].Error == nil || p.Nodes[1].AD != ads[1] {
		t.Errorf("nodes %+v", p.Nodes)
	}
	c.SetCapacity(e4, ads[0], 0)
	one := p.Nodes[0].ID
	if _, err := c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: &one, IsDecrementSize: common.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	p = c.rest(id)
	if len(live(p)) != 2 || slices.Contains(live(p), one) {
		t.Errorf("the freed host was not used: %+v", p.Nodes)
	}
}

func TestServiceLimit(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	c.SetLimit(e4, 2)
	c.mustResize(id, 3)
	p := c.rest(id)
	if len(live(p)) != 2 || p.Nodes[2].Error == nil || p.Nodes[2].Error.Code != "LimitExceeded" {
		t.Errorf("nodes %+v", p.Nodes)
	}
}

func TestCreateIsRememberedByItsRetryToken(t *testing.T) {
	c := newCloud(t, Options{})
	image, err := c.NewestImage("v1.34.1", e4)
	if err != nil {
		t.Fatal(err)
	}
	req := containerengine.CreateNodePoolRequest{OpcRetryToken: common.String("again"), CreateNodePoolDetails: containerengine.CreateNodePoolDetails{
		CompartmentId: common.String(c.Compartment()), ClusterId: &c.cluster, Name: common.String("made"), NodeShape: common.String(e4),
		KubernetesVersion: common.String("v1.34.1"), NodeMetadata: map[string]string{"user_data": "IyEvYmluL3No"},
		NodeShapeConfig:   &containerengine.CreateNodeShapeConfigDetails{Ocpus: common.Float32(4), MemoryInGBs: common.Float32(32)},
		NodeSourceDetails: containerengine.NodeSourceViaImageDetails{ImageId: &image.ID, BootVolumeSizeInGBs: common.Int64(100)},
		InitialNodeLabels: []containerengine.KeyValue{{Key: common.String("team"), Value: common.String("red")}},
		SshPublicKey:      common.String("ssh-ed25519 AAAA"),
		NodeConfigDetails: &containerengine.CreateNodePoolNodeConfigDetails{Size: common.Int(1), NsgIds: []string{"nsg"},
			PlacementConfigs: []containerengine.NodePoolPlacementConfigDetails{{AvailabilityDomain: &c.AvailabilityDomains()[2], SubnetId: common.String("subnet"),
				PreemptibleNodeConfig: &containerengine.PreemptibleNodeConfigDetails{PreemptionAction: containerengine.TerminatePreemptionAction{}}}},
			NodePoolPodNetworkOptionDetails: containerengine.OciVcnIpNativeNodePoolPodNetworkOptionDetails{PodSubnetIds: []string{"pods"}},
		}}}
	first, err := c.oke.CreateNodePool(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.oke.CreateNodePool(t.Context(), req)
	if err != nil || *second.OpcWorkRequestId != *first.OpcWorkRequestId || len(c.Pools()) != 1 {
		t.Fatalf("the same create twice: %v, %d pools", err, len(c.Pools()))
	}
	req.Name = common.String("other")
	_, err = c.oke.CreateNodePool(t.Context(), req)
	wantRefusal(t, err, 409, "InvalidatedRetryToken")

	c.finished(*first.OpcWorkRequestId)
	p := c.get(c.Pools()[0].ID)
	if *p.SshPublicKey != "ssh-ed25519 AAAA" || p.NodeConfigDetails.NsgIds[0] != "nsg" || *p.InitialNodeLabels[0].Value != "red" ||
		p.NodeConfigDetails.PlacementConfigs[0].PreemptibleNodeConfig == nil || *p.NodeShapeConfig.Ocpus != 4 {
		t.Errorf("what was written is not what is read: %+v", p.NodePool)
	}
	network, ok := p.NodeConfigDetails.NodePoolPodNetworkOptionDetails.(containerengine.OciVcnIpNativeNodePoolPodNetworkOptionDetails)
	if !ok || network.PodSubnetIds[0] != "pods" {
		t.Errorf("pod network %+v", p.NodeConfigDetails.NodePoolPodNetworkOptionDetails)
	}
	source := p.NodeSourceDetails.(containerengine.NodeSourceViaImageDetails)
	if *source.BootVolumeSizeInGBs != 100 || *p.NodeSource.(containerengine.NodeSourceViaImageOption).SourceName != image.Name {
		t.Errorf("source %+v", p.NodeSource)
	}
	i := c.Instances()[0]
	if !i.Preemptible || i.BootVolumeGB != 100 || i.MaxPods != 93 || i.Labels["team"] != "red" || i.Metadata["user_data"] == "" {
		t.Errorf("instance %+v", i)
	}
}

func TestUpdateIsAMerge(t *testing.T) {
	c := newCloud(t, Options{})
	spec := c.spec("workers", 1)
	spec.Labels = map[string]string{"team": "red"}
	spec.FreeformTags = map[string]string{"a": "b"}
	id, err := c.AddPool(spec)
	if err != nil {
		t.Fatal(err)
	}
	before := c.rest(id)
	c.mustResize(id, 2)
	after := c.rest(id)
	before.Size = 2
	if diff := cmp.Diff(before.Pool, after.Pool, cmp.FilterValues(func(a, b map[string]json.RawMessage) bool { return true }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
}

func TestMovingAPoolReplacesWhatStandsElsewhere(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 3)
	before := c.rest(id)
	ad := c.AvailabilityDomains()[0]
	if _, err := c.UpdatePool(id, PoolUpdate{Placements: []Placement{before.Placements[0]}}, ""); err != nil {
		t.Fatal(err)
	}
	after := c.rest(id)
	if len(live(after)) != 3 || !slices.Contains(live(after), before.Nodes[0].ID) {
		t.Errorf("before %v, after %v", live(before), live(after))
	}
	for _, n := range after.Nodes {
		if n.AD != ad {
			t.Errorf("a node in %s", n.AD)
		}
	}
}

func TestWritesOnABusyPool(t *testing.T) {
	for mode, wantCode := range map[string]string{"queue": "", "409": "IncorrectState"} {
		t.Run(mode, func(t *testing.T) {
			c := newCloud(t, Options{WritesOnUpdating: mode, Latency: Latency{Accept: time.Hour}})
			id, err := c.AddPool(c.spec("workers", 1))
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.resize(id, 2, nil)
			if wantCode != "" {
				wantRefusal(t, err, 409, wantCode)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func (c *cloud) wantWorkError(work, code, message string) {
	c.t.Helper()
	compartment := c.Compartment()
	r, err := c.oke.ListWorkRequestErrors(c.t.Context(), containerengine.ListWorkRequestErrorsRequest{WorkRequestId: &work, CompartmentId: &compartment})
	if err != nil {
		c.t.Fatal(err)
	}
	if len(r.Items) == 0 || *r.Items[0].Code != code || *r.Items[0].Message != message || r.Items[0].Timestamp == nil {
		c.t.Errorf("work request errors %+v, want %s %s", r.Items, code, message)
	}
}
