package playground

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/okesim"
)

// The numbers are measurements of live OKE nodes reported in public issues (kueue 5039, karpenter-provider-oci 63 and 70).

func TestKubeReservedMemory(t *testing.T) {
	for gib, want := range map[float64]int64{2: 0, 4: 1, 8: 1, 12: 2, 16: 2, 21: 2, 32: 3, 37: 3, 40: 4, 64: 5, 128: 9, 256: 11} {
		if got := kubeReservedMemory(gib) / gi; got != want {
			t.Errorf("kubeReservedMemory(%v GiB) = %d GiB, want %d", gib, got, want)
		}
	}
}

func TestKubeReservedCPU(t *testing.T) {
	for cpus, want := range map[int64]int64{0: 0, 1: 60, 2: 72, 3: 80, 4: 85, 5: 90, 6: 92, 8: 97, 16: 117, 64: 237} {
		if got := kubeReservedMilliCPU(cpus); got != want {
			t.Errorf("kubeReservedMilliCPU(%d) = %dm, want %dm", cpus, got, want)
		}
	}
}

func TestVCPUs(t *testing.T) {
	tests := []struct {
		shape string
		ocpus float32
		want  int64
	}{
		{"VM.Standard.E4.Flex", 2, 4},
		{"VM.Standard.A1.Flex", 2, 2}, // one thread per core
		{"BM.Standard.A1.160", 160, 160},
		{"VM.Standard.A2.Flex", 2, 4}, // two again
		{"VM.GPU.A10.1", 15, 30},
	}
	for _, test := range tests {
		if got := vcpus(test.shape, test.ocpus); got != test.want {
			t.Errorf("vcpus(%s, %v) = %d, want %d", test.shape, test.ocpus, got, test.want)
		}
	}
}

func TestMemoryTax(t *testing.T) {
	tests := []struct {
		arch      string
		gib       float64
		want, off int64 // MiB
	}{
		{"amd64", 32, 1137, 1},
		{"arm64", 8, 535, 20}, {"arm64", 12, 619, 20}, {"arm64", 50, 1374, 50}, {"arm64", 128, 2780, 20},
	}
	for _, test := range tests {
		got := memoryTax(test.arch, test.gib) / mi
		if got < test.want-test.off || got > test.want+test.off {
			t.Errorf("memoryTax(%s, %v GiB) = %d MiB, measured %d", test.arch, test.gib, got, test.want)
		}
	}
}

// A live node with 16 vCPU and 32 GB keeps 217m CPU and 3272 MiB for itself.
func TestResourcesOfALiveNode(t *testing.T) {
	capacity, allocatable := resources(okesim.Instance{
		Shape: "VM.Standard.E5.Flex", OCPUs: 8, MemoryGB: 32, Arch: "amd64", KubernetesVersion: "v1.31.1", CNI: vcnNative,
	})
	kept := func(name corev1.ResourceName) int64 {
		diff := capacity[name].DeepCopy()
		diff.Sub(allocatable[name])
		return diff.MilliValue() / 1000
	}
	if cpu := capacity.Cpu().MilliValue() - allocatable.Cpu().MilliValue(); cpu != 217 {
		t.Errorf("CPU kept: %dm, want 217m", cpu)
	}
	if got := kept(corev1.ResourceMemory) / mi; got != 3272 {
		t.Errorf("memory kept: %d MiB, want 3272", got)
	}
	if got := capacity.StorageEphemeral().String(); got != "40223552Ki" {
		t.Errorf("ephemeral storage: %s, want 40223552Ki", got)
	}
	if got, want := allocatable.StorageEphemeral().Value(), int64(40223552<<10)*9/10; got < want-9 || got > want {
		t.Errorf("allocatable ephemeral storage: %d, want 90 %%: %d", got, want)
	}
	if got := capacity.Pods().Value(); got != 31 {
		t.Errorf("pods: %d, want 31", got)
	}
}

// An old image reserves nothing but the eviction threshold.
func TestResourcesOfAnOldNode(t *testing.T) {
	capacity, allocatable := resources(okesim.Instance{
		Shape: "VM.Standard.E4.Flex", OCPUs: 8, MemoryGB: 16, Arch: "amd64", KubernetesVersion: "v1.25.4", CNI: "FLANNEL_OVERLAY",
	})
	if got := allocatable.Cpu().Value(); got != 16 {
		t.Errorf("allocatable CPU: %d, want 16", got)
	}
	if got := (capacity.Memory().Value() - allocatable.Memory().Value()) / mi; got != 100 {
		t.Errorf("memory kept: %d MiB, want 100", got)
	}
	if got := allocatable.Pods().Value(); got != 110 {
		t.Errorf("pods: %d, want 110", got)
	}
}
