package externalgrpc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// The mistakes of cluster-autoscaler's own OCI provider, each as the case in
// which it would be made here.

// 1. A list that fails makes every group vanish until the next refresh.
func TestUpstreamGroupsSurviveAFailedList(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 2, Tags: map[string]string{"scale": "yes"}})
	s := serve(t, cloud, Options{Selection: Selection{Discover: []Discovery{{Tags: map[string]string{"scale": "yes"}, Bounds: Bounds{0, 9}}}}})
	for range 3 {
		cloud.FailNext("Pools", errors.New("503"))
		s.look()
		r, err := s.client.NodeGroups(t.Context(), &wire.NodeGroupsRequest{})
		if err != nil || len(r.NodeGroups) != 1 || s.size(id) != 2 || len(s.instances(id)) != 2 {
			t.Fatalf("groups %v, %v", r, err)
		}
	}
}

// 2. A list that has more than one page is cut: the contract demands whole
// lists, and the plugin adds no limit of its own.
func TestUpstreamManyPoolsAreAllGroups(t *testing.T) {
	cloud := fake.New(fake.Options{})
	for range 150 {
		cloud.AddPool(fake.Pool{Size: 1, Min: 0, Max: 3})
	}
	s := serve(t, cloud, Options{Selection: Selection{Pools: true}})
	r, err := s.client.NodeGroups(t.Context(), &wire.NodeGroupsRequest{})
	if err != nil || len(r.NodeGroups) != 150 {
		t.Fatalf("%d groups, %v", len(r.GetNodeGroups()), err)
	}
}

// 3. A pool that cannot be read keeps stale values, and nobody is told.
func TestUpstreamAStalePoolSaysSo(t *testing.T) {
	s, id := one(t, 2, 1, 5)
	s.cloud.FailNext("Instances", errors.New("500"))
	s.look()
	if n := len(s.instances(id)); n != 2 {
		t.Errorf("%d instances, want the last good 2", n)
	}
	r, err := s.client.NodeGroups(t.Context(), &wire.NodeGroupsRequest{})
	if err != nil || !strings.Contains(r.NodeGroups[0].Debug, "last read") {
		t.Errorf("groups %v, %v", r, err)
	}
}

// 4. Entries without a machine share the empty id and are counted as one.
func TestUpstreamFailedEntriesHaveIDsOfTheirOwn(t *testing.T) {
	cloud := fake.New(fake.Options{})
	cloud.SetCapacity("ZONE-1", 1)
	id := cloud.AddPool(fake.Pool{Size: 4})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {1, 9}}}})
	ids := func() (all []string) {
		for _, in := range s.instances(id) {
			if e := in.Status.ErrorInfo; e != nil {
				if in.Status.State != wire.InstanceStatus_CREATING || e.ErrorCode != "OutOfHostCapacity" || e.InstanceErrorClass != 1 || e.ErrorMessage == "" {
					t.Errorf("instance %v", in)
				}
				all = append(all, in.Id)
			}
		}
		return all
	}
	first := ids()
	if len(first) != 3 || first[0] == "" || len(slices.Compact(slices.Clone(first))) != 3 {
		t.Fatalf("failed entries %q", first)
	}
	s.look()
	if again := ids(); !slices.Equal(first, again) {
		t.Errorf("ids %q became %q", first, again)
	}
	for _, placeholder := range first {
		r, err := s.client.NodeGroupForNode(t.Context(), &wire.NodeGroupForNodeRequest{Node: failed(placeholder)})
		if err != nil || r.NodeGroup.GetId() != string(id) {
			t.Errorf("group of %s: %v, %v", placeholder, r, err)
		}
	}
}

// 5. Failed entries of a pool at its minimum are never taken back.
func TestUpstreamFailedEntriesLeaveAtTheMinimum(t *testing.T) {
	cloud := fake.New(fake.Options{})
	cloud.SetCapacity("ZONE-1", 1)
	id := cloud.AddPool(fake.Pool{Size: 3})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {3, 9}}}})
	var gone []*wire.ExternalGrpcNode
	for _, in := range s.instances(id) {
		if in.Status.ErrorInfo != nil {
			gone = append(gone, failed(in.Id))
		}
	}
	// As the client does: the same call in each of its loops.
	for range 3 {
		if err := s.delete(id, gone...); err != nil {
			t.Fatal(err)
		}
		s.look()
	}
	left := s.instances(id)
	if len(left) != 1 || left[0].Status.State != wire.InstanceStatus_RUNNING || s.size(id) != 1 {
		t.Fatalf("left %v of size %d", left, s.size(id))
	}
	// A machine that never registered may go too; one that works may not.
	wantRefused := s.delete(id, real(left[0].Id))
	if wantRefused == nil {
		t.Fatal("a working machine was deleted below the minimum")
	}
	unregistered := &wire.ExternalGrpcNode{Name: left[0].Id, ProviderId: left[0].Id, Annotations: map[string]string{fakeNodeReason: "unregistered"}}
	if err := s.delete(id, unregistered); err != nil || s.size(id) != 0 {
		t.Errorf("size %d, %v", s.size(id), err)
	}
}

// 6. A pool over several zones is modelled as its first.
func TestUpstreamTheTemplateIsOfTheZoneThatIsNext(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1, Zones: []cloudprovider.Zone{"A", "B", "C"}})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 9}}}})
	var zones []string
	for n := 1; n <= 4; n++ {
		cloud.SetSize(id, n)
		s.look()
		zones = append(zones, s.template(id).Labels[corev1.LabelTopologyZone])
	}
	if !slices.Equal(zones, []string{"B", "C", "A", "B"}) {
		t.Errorf("zones %v", zones)
	}
}

func (s *served) template(id cloudprovider.PoolID) *corev1.Node {
	s.Helper()
	r, err := s.client.NodeGroupTemplateNodeInfo(s.Context(), &wire.NodeGroupTemplateNodeInfoRequest{Id: string(id)})
	if err != nil {
		s.Fatal(err)
	}
	var n corev1.Node
	if err := n.Unmarshal(r.Node); err != nil {
		s.Fatal(err)
	}
	return &n
}

// 7. Every node is said to take 110 pods.
func TestUpstreamPodLimitIsTheCloudsOwn(t *testing.T) {
	cloud := fake.New(fake.Options{})
	n := roomy("4", "31")
	id := cloud.AddPool(fake.Pool{Template: n})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 9}}}})
	if got := s.template(id).Status.Allocatable.Pods().Value(); got != 31 {
		t.Errorf("%d pods, want 31", got)
	}
}

// 8. Taking back a target reads every pool and lists the whole compartment.
func TestUpstreamTakingBackIsOneCall(t *testing.T) {
	cloud := fake.New(fake.Options{})
	for range 20 {
		cloud.AddPool(fake.Pool{Size: 1, Max: 9})
	}
	cloud.SetCapacity("ZONE-1", 0)
	id := cloud.AddPool(fake.Pool{Size: 3, Max: 9})
	s := serve(t, cloud, Options{Selection: Selection{Pools: true}})
	before := len(cloud.Calls())
	_, err := s.client.NodeGroupDecreaseTargetSize(t.Context(), &wire.NodeGroupDecreaseTargetSizeRequest{Id: string(id), Delta: -2})
	if err != nil || s.size(id) != 1 {
		t.Fatalf("size %d, %v", s.size(id), err)
	}
	if calls := cloud.Calls()[before:]; len(calls) != 1 || calls[0].Op != "Resize" {
		t.Errorf("calls %s", fmt.Sprint(calls))
	}
}
