package playground

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/internal/okesim"
)

const (
	mi int64 = 1 << 20
	gi int64 = 1 << 30

	// rootFS is the root file system of OKE's Oracle Linux images. It stays at
	// about 36 GiB whatever the boot volume, unless cloud-init runs oci-growfs.
	rootFS int64 = 40223552 << 10

	systemReservedMilliCPU = 100
	systemReservedMemory   = 100 * mi
	evictionHardMemory     = 100 * mi
)

// vcpus is how many CPUs the kernel sees: two per OCPU, except on Arm A1 whose
// cores have one thread.
func vcpus(shape string, ocpus float32) int64 {
	threads := float32(2)
	if strings.Contains(shape, ".Standard.A1") {
		threads = 1
	}
	return max(1, int64(threads*ocpus))
}

// kubeReservedMilliCPU is OKE's --kube-reserved for CPU, a step function of the
// number of vCPUs, rounded down.
func kubeReservedMilliCPU(vcpus int64) int64 {
	steps := []int64{0, 60, 72, 80, 85, 90}
	if vcpus < int64(len(steps)) {
		return steps[max(vcpus, 0)]
	}
	return 90 + (vcpus-5)*5/2
}

// kubeReservedMemory is OKE's --kube-reserved for memory, in bytes: a quarter
// of the first 4 GiB, a fifth of the next 4, a tenth of the next 8, 6 % up to
// 128 and 2 % above, rounded down to whole GiB.
func kubeReservedMemory(gib float64) int64 {
	var reserved float64
	switch {
	case gib <= 4:
		reserved = 0.25 * gib
	case gib <= 8:
		reserved = 1 + 0.2*(gib-4)
	case gib <= 16:
		reserved = 1.8 + 0.1*(gib-8)
	case gib <= 128:
		reserved = 2.6 + 0.06*(gib-16)
	default:
		reserved = 9.32 + 0.02*(gib-128)
	}
	return int64(reserved) * gi
}

// memoryTax is the part of a shape's memory that the kernel never sees: the
// hypervisor and the kernel image take it. The slope is a fit over four sizes
// of A1; on x86 one size is known (E5 with 32 GB on Oracle Linux, 1137 MiB),
// which sets the offset.
func memoryTax(arch string, gib float64) int64 {
	offset := 541.0
	if arch == "arm64" {
		offset = 403
	}
	return int64(offset+0.0182*gib*1024) * mi
}

// diskOf is the size of an instance's root file system, in bytes. One that was
// grown has about 4 % less than the boot volume.
func diskOf(i okesim.Instance) int64 {
	if strings.Contains(userData(i), "oci-growfs") {
		return int64(i.BootVolumeGB) * gi / 100 * 96
	}
	return rootFS
}

// reservesResources says whether an OKE image of this version sets
// --kube-reserved: those before 1.30 reserve nothing.
func reservesResources(version string) bool {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 {
		return true
	}
	minor, err := strconv.Atoi(parts[1])
	return err != nil || minor >= 30
}

// resources are the capacity and the allocatable that the kubelet of an
// instance reports.
func resources(i okesim.Instance) (capacity, allocatable corev1.ResourceList) {
	cpus := vcpus(i.Shape, i.OCPUs)
	gib := float64(i.MemoryGB)
	memory := int64(gib*float64(gi)) - memoryTax(i.Arch, gib)
	disk := diskOf(i)
	capacity = corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(cpus, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memory, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(disk, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(maxPods(i), resource.DecimalSI),
	}
	if i.GPUs > 0 {
		capacity[gpuResource] = *resource.NewQuantity(int64(i.GPUs), resource.DecimalSI)
	}
	allocatable = capacity.DeepCopy()
	reservedCPU, reservedMemory := int64(0), evictionHardMemory
	if reservesResources(i.KubernetesVersion) {
		reservedCPU = systemReservedMilliCPU + kubeReservedMilliCPU(cpus)
		reservedMemory += systemReservedMemory + kubeReservedMemory(gib)
	}
	allocatable[corev1.ResourceCPU] = *resource.NewMilliQuantity(1000*cpus-reservedCPU, resource.DecimalSI)
	allocatable[corev1.ResourceMemory] = *resource.NewQuantity(memory-reservedMemory, resource.BinarySI)
	allocatable[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(disk/10*9, resource.BinarySI)
	return capacity, allocatable
}

// maxPods is the kubelet's --max-pods: what the pool says, else 110 with
// flannel and one secondary VNIC's 31 addresses with VCN-native pods.
func maxPods(i okesim.Instance) int64 {
	switch {
	case i.MaxPods > 0:
		return int64(min(i.MaxPods, 110))
	case i.CNI == vcnNative:
		return 31
	default:
		return 110
	}
}

const (
	gpuResource = corev1.ResourceName("nvidia.com/gpu")
	vcnNative   = "OCI_VCN_IP_NATIVE"
)
