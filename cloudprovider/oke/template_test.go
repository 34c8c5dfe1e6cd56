package oke

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestParseTaints(t *testing.T) {
	for text, want := range map[string][]corev1.Taint{
		"":                       nil,
		"a":                      nil,
		"a:Sometimes":            nil,
		":NoSchedule":            nil,
		"a=b:NoSchedule":         {{Key: "a", Value: "b", Effect: "NoSchedule"}},
		"a:NoExecute,b=:x,c=d:y": {{Key: "a", Effect: "NoExecute"}},
	} {
		if diff := cmp.Diff(want, parseTaints(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	split := kubeletArguments(map[string]string{"kubelet-extra-args": "--register-with-taints a=b:NoSchedule"})
	if split["register-with-taints"] != "a=b:NoSchedule" {
		t.Errorf("separate value: %v", split)
	}
}
