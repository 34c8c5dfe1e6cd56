package oke

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

// placements are those of a pool as the driver lists it.
func (w *world) placements(id cloudprovider.PoolID) []cloudprovider.Placement {
	w.t.Helper()
	list, err := w.Pools(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range list {
		if p.ID == id {
			if p.Health.Err != nil {
				w.t.Fatal(p.Health.Err)
			}
			return p.Placements
		}
	}
	w.t.Fatalf("no pool %s", id)
	return nil
}

func TestTemplate(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	ads := w.sim.AvailabilityDomains()
	id := w.addPool(okesim.Pool{
		OCPUs: 8, MemoryGB: 32, Labels: map[string]string{"team": "a"}, CNI: "OCI_VCN_IP_NATIVE", MaxPods: 60,
		Metadata: map[string]string{"kubelet-extra-args": "--v=2 --register-with-taints=dedicated=batch:NoSchedule,spot:PreferNoSchedule --node-labels=disk=fast"},
		Placements: []okesim.Placement{
			{AD: ads[0], SubnetID: "s", FaultDomains: []string{"FAULT-DOMAIN-2"}},
			{AD: ads[1], SubnetID: "s", Preemptible: true},
		},
	})
	places := w.placements(id)
	if len(places) != 2 || places[0].Zone != "US-ASHBURN-AD-1" || places[1].Zone != "US-ASHBURN-AD-2" {
		t.Fatalf("placements %+v", places)
	}
	first, second := places[0].Template, places[1].Template
	for key, want := range map[string]string{
		"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "node.kubernetes.io/instance-type": testShape,
		"topology.kubernetes.io/zone": "US-ASHBURN-AD-1", "topology.kubernetes.io/region": "iad", "team": "a", "disk": "fast",
		"oci.oraclecloud.com/fault-domain": "FAULT-DOMAIN-2", "oci.oraclecloud.com/vcn-native-ip-cni": "true", "oci.oraclecloud.com/node.info.managed": "true",
	} {
		if got := first.Labels[key]; got != want {
			t.Errorf("label %s is %q, want %q", key, got, want)
		}
	}
	wantTaints := []corev1.Taint{{Key: "dedicated", Value: "batch", Effect: "NoSchedule"}, {Key: "spot", Effect: "PreferNoSchedule"}}
	if diff := cmp.Diff(wantTaints, first.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	wantTaints = append(wantTaints, corev1.Taint{Key: preemptible, Value: "present", Effect: "NoSchedule"})
	if diff := cmp.Diff(wantTaints, second.Spec.Taints); diff != "" {
		t.Errorf("taints of preemptible nodes (-want +got):\n%s", diff)
	}
	if second.Labels[preemptible] != "true" || second.Labels["oci.oraclecloud.com/fault-domain"] != "" {
		t.Errorf("labels %v", second.Labels)
	}
	if first.Name != "" || first.Spec.ProviderID != "" {
		t.Errorf("a template has a name: %q %q", first.Name, first.Spec.ProviderID)
	}
	// 16 vCPUs and 32 GB, as the live node of kueue#5039 reserves.
	cpu, pods := first.Status.Allocatable.Cpu().MilliValue(), first.Status.Allocatable.Pods().Value()
	less := first.Status.Capacity.Memory().Value() - first.Status.Allocatable.Memory().Value()
	if cpu != 16000-217 || pods != 60 || less != 3272*mib {
		t.Errorf("cpu %dm, pods %d, %d MiB reserved", cpu, pods, less/mib)
	}
}

// The pool that was never anything but empty has a template too, GPUs and all.
func TestTemplateFromZeroWithGPU(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Name: "gpu", Shape: "VM.GPU.A10.2"})
	n := w.placements(id)[0].Template
	gpus := n.Status.Allocatable["nvidia.com/gpu"]
	if gpus.Value() != 2 || n.Status.Capacity.Cpu().Value() != 60 {
		t.Errorf("allocatable %v", n.Status.Allocatable)
	}
	if diff := cmp.Diff([]corev1.Taint{{Key: "nvidia.com/gpu", Value: "present", Effect: "NoSchedule"}}, n.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

func TestTemplateReadsCloudInit(t *testing.T) {
	script := "#!/bin/bash\noci-growfs -y\nbash /var/run/oke-init.sh --kubelet-extra-args \"--register-with-taints=a=b:NoExecute\"\n"
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{BootVolumeGB: 200, Metadata: map[string]string{"user_data": base64.StdEncoding.EncodeToString([]byte(script))}})
	n := w.placements(id)[0].Template
	if diff := cmp.Diff([]corev1.Taint{{Key: "a", Value: "b", Effect: "NoExecute"}}, n.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if disk := n.Status.Capacity.StorageEphemeral().Value(); disk < 180<<30 {
		t.Errorf("disk of %d GiB, the script grows it", disk>>30)
	}
}

// placement is what template makes of a pool in one placement.
func placementOf(t *testing.T, s containerengine.NodePoolSummary, metadata map[string]string, sh shape) (cloudprovider.Placement, []string) {
	t.Helper()
	if s.NodeConfigDetails == nil {
		s.NodeConfigDetails = &containerengine.NodePoolNodeConfigDetails{}
	}
	if s.NodeConfigDetails.PlacementConfigs == nil {
		s.NodeConfigDetails.PlacementConfigs = []containerengine.NodePoolPlacementConfigDetails{{AvailabilityDomain: common.String("Uocm:US-ASHBURN-AD-1")}}
	}
	list, problems := template(s, metadata, sh, ShippedPrices())
	if len(list) != 1 {
		t.Fatalf("%d placements", len(list))
	}
	return list[0], problems
}

// Every shipped shape, as its nodes are expected to register. A change here is
// a change of what pods are promised: compare it with a live node.
func TestTemplatesOfShapes(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "shape\tocpus\tGB\tarch\tcpu\tallocatable\tMi\tallocatable\tGPUs\tpods\tpods (VCN)\tUSD/h\tpreemptible")
	for _, sh := range shippedShapes {
		sh, _ := shippedShape(sh.name)
		s := containerengine.NodePoolSummary{NodeShape: &sh.name, KubernetesVersion: common.String("v1.34.1")}
		if sh.vnicsPerOCPU > 0 {
			s.NodeShapeConfig = &containerengine.NodeShapeConfig{Ocpus: common.Float32(4), MemoryInGBs: common.Float32(float32(4 * sh.memoryGB))}
		}
		overlay, problems := placementOf(t, s, nil, sh)
		s.NodeConfigDetails = &containerengine.NodePoolNodeConfigDetails{NodePoolPodNetworkOptionDetails: containerengine.OciVcnIpNativeNodePoolPodNetworkOptionDetails{}}
		s.NodeConfigDetails.PlacementConfigs = []containerengine.NodePoolPlacementConfigDetails{{AvailabilityDomain: common.String("a:b"), PreemptibleNodeConfig: &containerengine.PreemptibleNodeConfigDetails{}}}
		native, _ := placementOf(t, s, nil, sh)
		if len(problems) > 0 {
			t.Errorf("%s: %v", sh.name, problems)
		}
		size, n := sizeOfNode(s, kubelet{}, sh), overlay.Template
		gpus := "-"
		for _, name := range []corev1.ResourceName{nvidia, amd} {
			if q, ok := n.Status.Allocatable[name]; ok {
				gpus = q.String() + " " + string(name)
			}
		}
		fmt.Fprintf(w, "%s\t%v\t%v\t%s\t%d\t%dm\t%d\t%d\t%s\t%d\t%d\t%.4f\t%.4f\n", sh.name, size.ocpus, size.memoryGB, n.Labels[corev1.LabelArchStable],
			n.Status.Capacity.Cpu().Value(), n.Status.Allocatable.Cpu().MilliValue(), n.Status.Capacity.Memory().Value()/mib, n.Status.Allocatable.Memory().Value()/mib,
			gpus, n.Status.Allocatable.Pods().Value(), native.Template.Status.Allocatable.Pods().Value(), overlay.Price, native.Price)
	}
	w.Flush()
	golden(t, "shapes.txt", b.String())
}

// golden compares with a file in testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; write it with -update):\n%s", path, diff)
	}
}

var update = flag.Bool("update", false, "write testdata")

// What a person tags goes before what is derived, and what cannot be read is
// told and changes nothing.
func TestTemplateOfTags(t *testing.T) {
	sh, _ := shippedShape("VM.Standard.E5.Flex")
	s := containerengine.NodePoolSummary{
		NodeShape: &sh.name, KubernetesVersion: common.String("v1.34.1"),
		FreeformTags: map[string]string{
			"cluster-autoscaler/node-template/label/team":            "a",
			"cluster-autoscaler/node-template/label/alias":           "example.com/tier=gold",
			"cluster-autoscaler/node-template/label/app~2example/x":  "y",
			"cluster-autoscaler/node-template/taint/dedicated":       "batch:NoSchedule",
			"cluster-autoscaler/node-template/resources/fpga":        "example.com/fpga=2",
			"cluster-autoscaler/node-ephemeral-storage":              "80Gi",
			"cluster-autoscaler/node-template/autoscaling-options/x": "1",
			"cluster-autoscaler/node-template/label/bad":             "not a label",
			"cluster-autoscaler/node-template/taint/worse":           "v:Sometimes",
			"cluster-autoscaler/node-template/resources/cpu":         "many",
			"cluster-autoscaler/node-template/colour/red":            "1",
			"unrelated": "x",
		},
		DefinedTags: map[string]map[string]any{"Ops": {"cluster-autoscaler/node-template/label/team": "b", "cluster-autoscaler/node-template/label/site": "north"}},
	}
	p, problems := placementOf(t, s, nil, sh)
	n := p.Template
	for key, want := range map[string]string{"team": "a", "example.com/tier": "gold", "app.example/x": "y", "site": "north", "bad": "", "alias": ""} {
		if n.Labels[key] != want {
			t.Errorf("label %s is %q, want %q", key, n.Labels[key], want)
		}
	}
	if diff := cmp.Diff([]corev1.Taint{{Key: "dedicated", Value: "batch", Effect: "NoSchedule"}}, n.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	fpga := n.Status.Allocatable["example.com/fpga"]
	if fpga.Value() != 2 || n.Status.Allocatable.StorageEphemeral().String() != "80Gi" || n.Status.Capacity.Cpu().Value() != 2 {
		t.Errorf("allocatable %v", n.Status.Allocatable)
	}
	if len(problems) != 4 {
		t.Errorf("%d problems, want 4: %q", len(problems), problems)
	}
	for i, says := range []string{"colour", "no label", "resources/cpu", "no taint"} {
		if i < len(problems) && !strings.Contains(problems[i], says) {
			t.Errorf("problem %d is %q, want one about %q", i, problems[i], says)
		}
	}
}

// A pool's own kubelet flags change what pods get.
func TestTemplateOfKubeletFlags(t *testing.T) {
	sh, _ := shippedShape("VM.Standard.E5.Flex")
	s := containerengine.NodePoolSummary{NodeShape: &sh.name, KubernetesVersion: common.String("v1.28.2"),
		NodeShapeConfig: &containerengine.NodeShapeConfig{Ocpus: common.Float32(2), MemoryInGBs: common.Float32(16)}}
	plain, _ := placementOf(t, s, nil, sh)
	args := "--kube-reserved=cpu=500m,memory=1Gi --system-reserved=cpu=100m,memory=100Mi,ephemeral-storage=1Gi --max-pods=58 --eviction-hard=memory.available<500Mi,nodefs.available<5%"
	p, problems := placementOf(t, s, map[string]string{"kubelet-extra-args": args}, sh)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	was, is := plain.Template.Status, p.Template.Status
	if less := was.Allocatable.Cpu().MilliValue() - is.Allocatable.Cpu().MilliValue(); less != 600 {
		t.Errorf("%dm less CPU, want 600m", less)
	}
	if less := was.Allocatable.Memory().Value() - is.Allocatable.Memory().Value(); less != (1024+100+400)*mib {
		t.Errorf("%d Mi less memory, want 1524", less/mib)
	}
	disk := is.Capacity.StorageEphemeral().Value()
	if kept := disk - is.Allocatable.StorageEphemeral().Value(); kept != disk/20+1<<30 {
		t.Errorf("%d of the disk kept, want 5 %% and 1 GiB", kept)
	}
	if is.Allocatable.Pods().Value() != 58 {
		t.Errorf("%d pods, want 58", is.Allocatable.Pods().Value())
	}
	_, problems = placementOf(t, s, map[string]string{"kubelet-extra-args": "--max-pods=lots --node-labels=zone=$ZONE --kube-reserved=cpu=-1 --eviction-hard=memory.available --register-with-taints=x"}, sh)
	if len(problems) != 5 {
		t.Errorf("%d problems, want 5: %q", len(problems), problems)
	}
}

// With VNICs that count their addresses, these are the pods.
func TestTemplateOfSecondaryVNICs(t *testing.T) {
	sh, _ := shippedShape("VM.Standard.E5.Flex")
	vnic := containerengine.NodePoolSecondaryVnicDetails{CreateVnicDetails: &containerengine.CreateVnicDetails{IpCount: common.Int(32)}}
	s := containerengine.NodePoolSummary{NodeShape: &sh.name, SecondaryVnics: []containerengine.NodePoolSecondaryVnicDetails{vnic, vnic}}
	p, _ := placementOf(t, s, nil, sh)
	if got := p.Template.Status.Allocatable.Pods().Value(); got != 64 {
		t.Errorf("%d pods, want 64", got)
	}
}
