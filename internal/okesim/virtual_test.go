package okesim

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

func TestVirtualNodePools(t *testing.T) {
	c := newCloud(t, Options{PageSize: 2})
	places := []Placement{{AD: c.AvailabilityDomains()[0], SubnetID: "subnet"}, {AD: c.AvailabilityDomains()[1], SubnetID: "subnet"}}
	if _, err := c.AddVirtualPool(VirtualPool{ClusterID: c.cluster, Name: "v", Size: 1, Placements: places}); err == nil {
		t.Error("a virtual node pool in a cluster with flannel")
	}
	cluster := c.AddCluster(Cluster{Name: "native", CNI: cniNative})
	id, err := c.AddVirtualPool(VirtualPool{ClusterID: cluster, Name: "v", Size: 3, Placements: places,
		Labels: map[string]string{"a": "b"}, Taints: []VirtualTaint{{"k", "v", "NoSchedule"}}})
	if err != nil {
		t.Fatal(err)
	}
	compartment := c.Compartment()
	pools, err := c.oke.ListVirtualNodePools(t.Context(), containerengine.ListVirtualNodePoolsRequest{CompartmentId: &compartment, ClusterId: &cluster})
	if err != nil || len(pools.Items) != 1 || *pools.Items[0].Id != id {
		t.Fatalf("pools %+v, %v", pools.Items, err)
	}
	pool, err := c.oke.GetVirtualNodePool(t.Context(), containerengine.GetVirtualNodePoolRequest{VirtualNodePoolId: &id})
	if err != nil {
		t.Fatal(err)
	}
	if *pool.Size != 3 || *pool.PodConfiguration.Shape != "Pod.Standard.E4.Flex" || *pool.Taints[0].Effect != "NoSchedule" || *pool.InitialVirtualNodeLabels[0].Key != "a" ||
		len(pool.PlacementConfigurations) != 2 {
		t.Errorf("pool %+v", pool.VirtualNodePool)
	}
	seen := map[string]bool{}
	req := containerengine.ListVirtualNodesRequest{VirtualNodePoolId: &id}
	for {
		nodes, err := c.oke.ListVirtualNodes(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes.Items {
			seen[*n.Id] = true
		}
		if req.Page = nodes.OpcNextPage; req.Page == nil {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("nodes %v", seen)
	}
	for node := range seen {
		n, err := c.oke.GetVirtualNode(t.Context(), containerengine.GetVirtualNodeRequest{VirtualNodePoolId: &id, VirtualNodeId: &node})
		if err != nil || n.LifecycleState != containerengine.VirtualNodeLifecycleStateActive {
			t.Errorf("node %+v, %v", n.VirtualNode, err)
		}
	}
	_, err = c.oke.DeleteVirtualNodePool(t.Context(), containerengine.DeleteVirtualNodePoolRequest{VirtualNodePoolId: &id})
	wantRefusal(t, err, 501, "NotImplemented")
}

func TestAddons(t *testing.T) {
	c := newCloud(t, Options{})
	if err := c.InstallAddon(c.cluster, Addon{Name: "ClusterAutoscaler", Config: map[string]string{"nodes": "1:2:x"}}); err != nil {
		t.Fatal(err)
	}
	r, err := c.oke.ListAddons(t.Context(), containerengine.ListAddonsRequest{ClusterId: &c.cluster})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range r.Items {
		names = append(names, *a.Name)
	}
	if len(names) != 4 || names[0] != "ClusterAutoscaler" {
		t.Errorf("add-ons %v", names)
	}
	a, err := c.oke.GetAddon(t.Context(), containerengine.GetAddonRequest{ClusterId: &c.cluster, AddonName: common.String("ClusterAutoscaler")})
	if err != nil || a.LifecycleState != containerengine.AddonLifecycleStateActive || *a.Configurations[0].Value != "1:2:x" {
		t.Errorf("add-on %+v, %v", a.Addon, err)
	}
	_, err = c.oke.GetAddon(t.Context(), containerengine.GetAddonRequest{ClusterId: &c.cluster, AddonName: common.String("none")})
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestUpdateCluster(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.AddCluster(Cluster{KubernetesVersion: "v1.33.1", Type: "BASIC_CLUSTER", Endpoint: "10.0.0.1:6443", PublicEndpoint: "192.0.2.1:6443"})
	update := func(d containerengine.UpdateClusterDetails) (string, error) {
		r, err := c.oke.UpdateCluster(t.Context(), containerengine.UpdateClusterRequest{ClusterId: &id, UpdateClusterDetails: d})
		if err != nil {
			return "", err
		}
		return *r.OpcWorkRequestId, nil
	}
	_, err := update(containerengine.UpdateClusterDetails{KubernetesVersion: common.String("v1.35.0")})
	wantRefusal(t, err, 400, "InvalidParameter") // two minors
	work, err := update(containerengine.UpdateClusterDetails{KubernetesVersion: common.String("v1.34.1"), Type: containerengine.ClusterTypeEnhancedCluster})
	if err != nil {
		t.Fatal(err)
	}
	w := c.finished(work)
	if w.OperationType != containerengine.WorkRequestOperationTypeClusterUpdate || len(w.Resources) != 1 || *w.Resources[0].EntityType != "cluster" {
		t.Errorf("work request %+v", w)
	}
	r, err := c.oke.GetCluster(t.Context(), containerengine.GetClusterRequest{ClusterId: &id})
	if err != nil {
		t.Fatal(err)
	}
	if *r.KubernetesVersion != "v1.34.1" || r.Type != containerengine.ClusterTypeEnhancedCluster || r.LifecycleState != containerengine.ClusterLifecycleStateActive ||
		*r.Endpoints.PublicEndpoint != "192.0.2.1:6443" || *r.Endpoints.PrivateEndpoint != "10.0.0.1:6443" || *r.Endpoints.Kubernetes != "192.0.2.1:6443" || !*r.EndpointConfig.IsPublicIpEnabled {
		t.Errorf("cluster %+v", r.Cluster)
	}
}

func TestOneClusterUpdateAtATime(t *testing.T) {
	s := New(Options{Latency: Latency{Boot: time.Hour}})
	t.Cleanup(s.Close)
	id := s.AddCluster(Cluster{})
	for _, want := range []int{202, 409} {
		r, err := http.NewRequest("PUT", "http://oci/20180222/clusters/"+id, strings.NewReader(`{"name":"n"}`))
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Do(r)
		if err != nil || a.StatusCode != want {
			t.Errorf("%v, %v, want %d", a, err, want)
		}
	}
}
