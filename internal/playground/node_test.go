package playground

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/okesim"
)

func instance() okesim.Instance {
	return okesim.Instance{
		ID: "ocid1.instance.oc1.iad.anuwcljtabcdef", Name: "oke-cabc-ndef-sghi-0",
		PoolID: "ocid1.nodepool.oc1.iad.aaaapool", CompartmentID: "ocid1.compartment.oc1..aaaacompartment",
		AvailabilityDomain: "Uocm:US-ASHBURN-AD-1", FaultDomain: "FAULT-DOMAIN-2", PrivateIP: "10.0.10.7",
		Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, KubernetesVersion: "v1.34.1", Arch: "amd64", CNI: vcnNative,
	}
}

func TestNodeLooksLikeOKE(t *testing.T) {
	i := instance()
	i.Labels = map[string]string{"team": "a", "topology.kubernetes.io/zone": "mine"}
	n := nodeOf(i)
	if n.Name != "10.0.10.7" || n.Spec.ProviderID != i.ID {
		t.Errorf("node %q with provider ID %q, want the private IP and the bare OCID", n.Name, n.Spec.ProviderID)
	}
	want := map[string]string{
		"topology.kubernetes.io/zone":            "US-ASHBURN-AD-1",
		"topology.kubernetes.io/region":          "iad",
		"failure-domain.beta.kubernetes.io/zone": "US-ASHBURN-AD-1",
		"node.kubernetes.io/instance-type":       "VM.Standard.E4.Flex",
		"kubernetes.io/arch":                     "amd64",
		"kubernetes.io/hostname":                 "10.0.10.7",
		"oci.oraclecloud.com/fault-domain":       "FAULT-DOMAIN-2",
		"displayName":                            "oke-cabc-ndef-sghi-0",
		"internal_addr":                          "10.0.10.7",
		"node.info/kubeletVersion":               "v1.34",
		"node.info/compartment.id":               "aaaacompartment",
		"node.info.ds_proxymux_client":           "true",
		"oci.oraclecloud.com/vcn-native-ip-cni":  "true",
		"oci.oraclecloud.com/node.info.managed":  "true",
		"node-role.kubernetes.io/node":           "",
		"team":                                   "a",
	}
	got := map[string]string{}
	for key := range want {
		if value, ok := n.Labels[key]; ok {
			got[key] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if got := n.Annotations["oci.oraclecloud.com/node-pool-id"]; got != i.PoolID {
		t.Errorf("node-pool-id = %q, want %q", got, i.PoolID)
	}
	if got := n.Status.NodeInfo.KubeletVersion; got != "v1.34.1" {
		t.Errorf("kubelet version = %q", got)
	}
}

func TestNodeTaints(t *testing.T) {
	i := instance()
	i.GPUs, i.Preemptible = 1, true
	i.Metadata = map[string]string{"kubelet-extra-args": "--v=2 --register-with-taints=dedicated=batch:NoExecute,spot:NoSchedule --node-labels=tier=x"}
	want := []corev1.Taint{
		{Key: "dedicated", Value: "batch", Effect: "NoExecute"},
		{Key: "spot", Effect: "NoSchedule"},
		{Key: "nvidia.com/gpu", Value: "present", Effect: "NoSchedule"},
		{Key: "oci.oraclecloud.com/oke-is-preemptible", Value: "present", Effect: "NoSchedule"},
	}
	n := nodeOf(i)
	if diff := cmp.Diff(want, n.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if n.Labels["tier"] != "x" {
		t.Errorf("label tier = %q, want x from --node-labels", n.Labels["tier"])
	}
	if got := n.Status.Allocatable["nvidia.com/gpu"]; got.Value() != 1 {
		t.Errorf("allocatable GPUs = %s, want 1", got.String())
	}
}

// A pool may set taints in its cloud-init script, and may register a taint that
// OKE would add: the API server takes no taint twice.
func TestNodeObeysCloudInit(t *testing.T) {
	i := instance()
	i.GPUs, i.BootVolumeGB = 1, 100
	script := "#!/bin/bash\nbash /etc/oke/oke-install.sh --kubelet-extra-args \"--register-with-taints=nvidia.com/gpu=mine:NoSchedule\" --x\noci-growfs -y\n"
	i.Metadata = map[string]string{"user_data": base64.StdEncoding.EncodeToString([]byte(script))}
	n := nodeOf(i)
	want := []corev1.Taint{{Key: "nvidia.com/gpu", Value: "mine", Effect: "NoSchedule"}}
	if diff := cmp.Diff(want, n.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if got := n.Status.Capacity.StorageEphemeral().Value() / gi; got != 96 {
		t.Errorf("a grown root file system of a 100 GB volume has %d GiB, want 96", got)
	}
}
