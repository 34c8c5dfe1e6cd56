package okesim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
)

func TestInstancesOverHTTP(t *testing.T) {
	c := newCloud(t, Options{PageSize: 2})
	id := c.pool("workers", 3)
	p := c.rest(id)
	compartment := c.Compartment()
	var listed []string
	req := core.ListInstancesRequest{CompartmentId: &compartment, LifecycleState: core.InstanceLifecycleStateRunning}
	for {
		r, err := c.compute.ListInstances(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range r.Items {
			listed = append(listed, *i.Id)
		}
		if req.Page = r.OpcNextPage; req.Page == nil {
			break
		}
	}
	if len(listed) != 3 {
		t.Errorf("listed %v", listed)
	}
	r, err := c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: &p.Nodes[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	source := r.SourceDetails.(core.InstanceSourceViaImageDetails)
	if *r.ShapeConfig.Ocpus != 2 || *r.ShapeConfig.Vcpus != 4 || *r.ShapeConfig.MemoryInGBs != 16 || *source.ImageId != p.ImageID || r.TimeCreated == nil ||
		*r.DisplayName != p.Nodes[0].Name || !strings.HasPrefix(*r.DisplayName, "oke-c"+tail(c.cluster)+"-n"+tail(id)) {
		t.Errorf("instance %+v", r.Instance)
	}
	_, err = c.compute.GetInstance(t.Context(), core.GetInstanceRequest{InstanceId: common.String("ocid1.instance.oc1.iad.none")})
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestPowerActions(t *testing.T) {
	c := newCloud(t, Options{})
	node := c.rest(c.pool("workers", 1)).Nodes[0].ID
	do := func(action core.InstanceActionActionEnum) error {
		_, err := c.compute.InstanceAction(t.Context(), core.InstanceActionRequest{InstanceId: &node, Action: action})
		return err
	}
	state := func(want string) {
		t.Helper()
		c.eventually(want, func() bool { i, err := c.Instance(node); return err == nil && i.State == want })
	}
	wantRefusal(t, do(core.InstanceActionActionStart), 409, "IncorrectState")
	if err := do(core.InstanceActionActionStop); err != nil {
		t.Fatal(err)
	}
	state(stateStopped)
	if err := do(core.InstanceActionActionStart); err != nil {
		t.Fatal(err)
	}
	state(stateRunning)
	if err := do(core.InstanceActionActionSoftreset); err != nil {
		t.Fatal(err)
	}
	want := []EventType{InstanceProvisioning, InstanceActive, InstanceStopped, InstanceStarted, InstanceStopped, InstanceStarted}
	c.eventually("told", func() bool { return len(c.told(node)) == len(want) })
	if diff := cmp.Diff(want, c.told(node)); diff != "" {
		t.Error(diff)
	}
}

func TestCatalogue(t *testing.T) {
	c := newCloud(t, Options{})
	compartment := c.Compartment()
	flex, err := c.compute.ListShapes(t.Context(), core.ListShapesRequest{CompartmentId: &compartment, Shape: common.String("VM.Standard.A1.Flex")})
	if err != nil || len(flex.Items) != 1 || !*flex.Items[0].IsFlexible || *flex.Items[0].OcpuOptions.Max != 80 || *flex.Items[0].MaxVnicAttachmentOptions.DefaultPerOcpu != 1 {
		t.Errorf("A1 is %+v, %v", flex.Items, err)
	}
	gpu, err := c.compute.ListShapes(t.Context(), core.ListShapesRequest{CompartmentId: &compartment, Shape: common.String("VM.GPU.A10.2")})
	if err != nil || len(gpu.Items) != 1 || *gpu.Items[0].Gpus != 2 || gpu.Items[0].OcpuOptions != nil {
		t.Errorf("A10.2 is %+v, %v", gpu.Items, err)
	}

	newest, err := c.NewestImage("v1.34.1", "VM.Standard.A1.Flex")
	if err != nil || newest.Name != "Oracle-Linux-8.10-aarch64-2026.07.31-0-OKE-1.34.1-1191" {
		t.Fatalf("newest Arm image %+v, %v", newest, err)
	}
	get := func() (core.GetImageResponse, error) {
		return c.compute.GetImage(t.Context(), core.GetImageRequest{ImageId: &newest.ID})
	}
	if r, err := get(); err != nil || *r.DisplayName != newest.Name {
		t.Errorf("got %v, %v", r.Image, err)
	}
	if err := c.RetireImage(newest.ID); err != nil {
		t.Fatal(err)
	}
	_, err = get()
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
	if older, err := c.NewestImage("v1.34.1", "VM.Standard.A1.Flex"); err != nil || !strings.Contains(older.Name, "2026.05.29") {
		t.Errorf("after it was retired: %+v, %v", older, err)
	}
}

func TestNodePoolOptions(t *testing.T) {
	c := newCloud(t, Options{})
	old := c.AddCluster(Cluster{Name: "old", KubernetesVersion: "v1.34.1"})
	r, err := c.oke.GetNodePoolOptions(t.Context(), containerengine.GetNodePoolOptionsRequest{NodePoolOptionId: &old,
		NodePoolOsArch: containerengine.GetNodePoolOptionsNodePoolOsArchAarch64, NodePoolK8sVersion: common.String("v1.34.1")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range r.Sources {
		names = append(names, *s.(containerengine.NodeSourceViaImageOption).SourceName)
	}
	want := []string{"Oracle-Linux-8.10-aarch64-2026.07.31-0-OKE-1.34.1-1191", "Oracle-Linux-8.10-aarch64-2026.05.29-0-OKE-1.34.1-1084"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	all, err := c.oke.GetNodePoolOptions(t.Context(), containerengine.GetNodePoolOptionsRequest{NodePoolOptionId: &old})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"v1.33.1", "v1.34.1"}, all.KubernetesVersions); diff != "" {
		t.Errorf("versions for a 1.34.1 control plane: %s", diff)
	}
}

func TestClusters(t *testing.T) {
	c := newCloud(t, Options{})
	compartment := c.Compartment()
	r, err := c.oke.ListClusters(t.Context(), containerengine.ListClustersRequest{CompartmentId: &compartment, LifecycleState: []containerengine.ClusterLifecycleStateEnum{"ACTIVE"}})
	if err != nil || len(r.Items) != 1 || *r.Items[0].Id != c.cluster {
		t.Fatalf("clusters %+v, %v", r.Items, err)
	}
	old := c.AddCluster(Cluster{Name: "old", KubernetesVersion: "v1.33.1", Endpoint: "127.0.0.1:6443"})
	g, err := c.oke.GetCluster(t.Context(), containerengine.GetClusterRequest{ClusterId: &old})
	if err != nil || *g.Etag == "" || *g.Endpoints.Kubernetes != "127.0.0.1:6443" || g.Type != containerengine.ClusterTypeEnhancedCluster {
		t.Fatalf("cluster %+v, %v", g.Cluster, err)
	}
	if diff := cmp.Diff([]string{"v1.34.1", "v1.34.2"}, g.AvailableKubernetesUpgrades); diff != "" {
		t.Errorf("upgrades, one minor at a time: %s", diff)
	}
	_, err = c.oke.ListClusters(t.Context(), containerengine.ListClustersRequest{CompartmentId: common.String("ocid1.compartment.oc1..none")})
	wantRefusal(t, err, 404, "NotAuthorizedOrNotFound")
}

func TestCapacityReport(t *testing.T) {
	c := newCloud(t, Options{})
	ad := c.AvailabilityDomains()[0]
	c.SetCapacity(e4, ad, 0)
	c.SetCapacity("VM.GPU.A10.1", ad, 3)
	report := func(compartment string) (core.CreateComputeCapacityReportResponse, error) {
		req := core.CreateComputeCapacityReportRequest{CreateComputeCapacityReportDetails: core.CreateComputeCapacityReportDetails{CompartmentId: &compartment, AvailabilityDomain: &ad}}
		for _, shape := range []string{e4, "VM.GPU.A10.1", "VM.None"} {
			req.ShapeAvailabilities = append(req.ShapeAvailabilities, core.CreateCapacityReportShapeAvailabilityDetails{InstanceShape: &shape,
				InstanceShapeConfig: &core.CapacityReportInstanceShapeConfig{Ocpus: common.Float32(2)}})
		}
		return c.compute.CreateComputeCapacityReport(t.Context(), req)
	}
	r, err := report(c.Tenancy())
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Status string
		Count  int64
	}
	var got []line
	for _, s := range r.ShapeAvailabilities {
		got = append(got, line{string(s.AvailabilityStatus), *s.AvailableCount})
	}
	if diff := cmp.Diff([]line{{"OUT_OF_HOST_CAPACITY", 0}, {"AVAILABLE", 3}, {"HARDWARE_NOT_SUPPORTED", 0}}, got); diff != "" {
		t.Error(diff)
	}
	_, err = report(c.Compartment())
	wantRefusal(t, err, 400, "InvalidParameter")
}

func TestIdentity(t *testing.T) {
	c := newCloud(t, Options{Region: "eu-frankfurt-1"})
	compartment := c.Compartment()
	ads, err := c.identity.ListAvailabilityDomains(t.Context(), identity.ListAvailabilityDomainsRequest{CompartmentId: &compartment})
	if err != nil || len(ads.Items) != 3 || *ads.Items[0].Name != "Uocm:EU-FRANKFURT-AD-1" {
		t.Fatalf("availability domains %+v, %v", ads.Items, err)
	}
	fds, err := c.identity.ListFaultDomains(t.Context(), identity.ListFaultDomainsRequest{CompartmentId: &compartment, AvailabilityDomain: ads.Items[2].Name})
	if err != nil || len(fds.Items) != 3 || *fds.Items[2].Name != "FAULT-DOMAIN-3" {
		t.Errorf("fault domains %+v, %v", fds.Items, err)
	}
}
