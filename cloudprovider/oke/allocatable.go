package oke

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// size is what decides how much of a machine pods get.
type size struct {
	shape      string  // "VM.Standard.E4.Flex"
	ocpus      float64 // Oracle's unit
	memoryGB   float64 // GiB, in Oracle's spelling
	gpus       int
	gpu        string // the resource's name, "nvidia.com/gpu"
	kubernetes string // "v1.34.1"
	diskGB     int64  // boot volume
	grown      bool   // the root file system takes all of it
	pods       int64

	kept  map[corev1.ResourceName]kept // what the pool's own kubelet flags keep back
	evict evict
}

const mib = 1 << 20

// capacity is what the kubelet of such a machine will report.
func (s size) capacity() corev1.ResourceList {
	list := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(s.vcpus(), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(s.memoryMiB()*mib, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(s.diskKiB()<<10, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(s.pods, resource.DecimalSI),
	}
	if s.gpus > 0 {
		list[corev1.ResourceName(s.gpu)] = *resource.NewQuantity(int64(s.gpus), resource.DecimalSI)
	}
	return list
}

// allocatable is capacity less what OKE's kubelets reserve.
func (s size) allocatable() corev1.ResourceList {
	list := s.capacity()
	cpu, memory := s.reserved()
	list[corev1.ResourceCPU] = *resource.NewMilliQuantity(max(0, s.vcpus()*1000-cpu), resource.DecimalSI)
	list[corev1.ResourceMemory] = *resource.NewQuantity(max(0, s.memoryMiB()-memory)*mib, resource.BinarySI)
	list[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(max(0, s.diskKiB()<<10-s.reservedDisk()), resource.BinarySI)
	return list
}

// most is more of anything, in its unit (OCPUs, GB), than a machine has: an answer
// beyond it is nonsense, and the arithmetic must not turn over on it.
const most = 1 << 20

// vcpus converts OCPUs; see families.
func (s size) vcpus() int64 {
	return max(1, int64(math.Round(min(s.ocpus, most)*familyOf(s.shape).perOCPU)))
}

// memoryMiB is what is left after the hypervisor, the firmware and the kernel.
//
// Measured on A1 at 8, 12, 50 and 128 GB: 535, 619, 1374, 2780 MiB are missing;
// a line through them is 403 MiB + 1.82 %. An E5 of 32 GB lacks 679 MiB on
// Ubuntu and 1137 MiB on Oracle Linux, which is that line and 138 MiB more. The
// larger is taken for x86: a template that promises less than the node gives
// wastes a little, one that promises more launches nodes that help nobody.
func (s size) memoryMiB() int64 {
	total := min(s.memoryGB, most) * 1024
	base := 541.0
	if archOf(s.shape) == "arm64" {
		base = 403
	}
	return int64(math.Max(0, total-base-0.0182*total))
}

// rootKiB is the root file system of an Oracle Linux image that was not grown,
// whatever the size of the boot volume.
const rootKiB = 40223552

// diskKiB is the node's ephemeral storage. A grown file system has 3 to 4 % less
// than the volume.
func (s size) diskKiB() int64 {
	volume := min(s.diskGB, most) << 20 * 96 / 100
	if s.grown {
		return volume
	}
	return min(rootKiB, volume)
}

// The kubelet's own thresholds of hard eviction, which pods never get.
const (
	evictMemory = "100Mi"
	evictDisk   = "10%" // of nodefs
)

// reserved is what the kubelet keeps back, in millicores and MiB: kube-reserved,
// system-reserved and the eviction threshold. OKE's node bundle began to reserve
// with Kubernetes 1.30. A flag of the pool's own goes before what OKE sets.
func (s size) reserved() (cpu, memory int64) {
	var kubeCPU, systemCPU, kubeMemory, systemMemory int64
	if minor(s.kubernetes) >= 30 {
		kubeCPU, systemCPU = kubeReservedCPU(s.vcpus()), 100
		kubeMemory, systemMemory = kubeReservedGiB(s.memoryGB)<<30, 100*mib
	}
	of := s.kept[corev1.ResourceCPU]
	cpu = given(of.kube, (*resource.Quantity).MilliValue, kubeCPU) + given(of.system, (*resource.Quantity).MilliValue, systemCPU)
	of = s.kept[corev1.ResourceMemory]
	bytes := given(of.kube, (*resource.Quantity).Value, kubeMemory) + given(of.system, (*resource.Quantity).Value, systemMemory)
	bytes += threshold(s.evict.memory, evictMemory, s.memoryMiB()*mib)
	return cpu, (bytes + mib - 1) / mib
}

// reservedDisk is in bytes. OKE keeps nothing back of the disk but the
// threshold.
func (s size) reservedDisk() int64 {
	of := s.kept[corev1.ResourceEphemeralStorage]
	return given(of.kube, (*resource.Quantity).Value, 0) + given(of.system, (*resource.Quantity).Value, 0) +
		threshold(s.evict.disk, evictDisk, s.diskKiB()<<10)
}

func given(q *resource.Quantity, value func(*resource.Quantity) int64, otherwise int64) int64 {
	if q == nil {
		return otherwise
	}
	return value(q)
}

// threshold is in bytes; what is no amount was refused when it was read.
func threshold(text, otherwise string, whole int64) int64 {
	n, err := amount(cmp.Or(text, otherwise), whole)
	if err != nil {
		return 0
	}
	return n
}

// kubeReservedCPU is in millicores.
func kubeReservedCPU(vcpus int64) int64 {
	steps := []int64{0, 60, 72, 80, 85, 90}
	if vcpus < int64(len(steps)) {
		return steps[vcpus]
	}
	return 90 + int64(math.Floor(float64(vcpus-5)*2.5))
}

// kubeReservedGiB is floored to whole GiB, as live nodes show.
func kubeReservedGiB(g float64) int64 {
	var r float64
	switch {
	case g <= 4:
		r = 0.25 * g
	case g <= 8:
		r = 0.2*(g-4) + 1
	case g <= 16:
		r = 0.1*(g-8) + 1.8
	case g <= 128:
		r = 0.06*(g-16) + 2.6
	default:
		r = 0.02*(g-128) + 9.32
	}
	return int64(math.Floor(r + 1e-9)) // 0.1*(16-8)+1.8 must not be 2.5999
}

// minor is the 34 of "v1.34.1". A version that cannot be read counts as new:
// new versions reserve more.
func minor(version string) int {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 {
		return math.MaxInt
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return math.MaxInt
	}
	return n
}

// podsOf is how many pods a node takes. Flannel has the kubelet's 110. With
// pods on the VCN every VNIC but the node's own carries 31 addresses; asked is
// the pool's own limit and vnics the shape's, 0 where unknown. Newer add-ons
// put more addresses on a VNIC; the smaller promise is the safe one.
func podsOf(native bool, asked, vnics int) int64 {
	const most, perVNIC = 110, 31
	if !native {
		return most
	}
	room := perVNIC
	switch {
	case vnics > 1:
		room = perVNIC * (vnics - 1)
	case asked > 0:
		room = asked
	}
	if asked > 0 {
		room = min(room, asked)
	}
	return int64(min(most, room))
}
