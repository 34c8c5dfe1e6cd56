package oke

import (
	"context"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// bare are a pool's placements when nothing more is known: where, not what.
func bare(s containerengine.NodePoolSummary) []cloudprovider.Placement {
	var list []cloudprovider.Placement
	for _, c := range placementConfigs(s) {
		list = append(list, cloudprovider.Placement{Zone: zone(str(c.AvailabilityDomain)), FaultDomains: slices.Clone(c.FaultDomains)})
	}
	return list
}

func placementConfigs(s containerengine.NodePoolSummary) []containerengine.NodePoolPlacementConfigDetails {
	if s.NodeConfigDetails == nil {
		return nil
	}
	return s.NodeConfigDetails.PlacementConfigs
}

// preemptiblePool is whether any of the pool's machines may be taken back.
func preemptiblePool(s containerengine.NodePoolSummary) bool {
	return slices.ContainsFunc(placementConfigs(s), func(c containerengine.NodePoolPlacementConfigDetails) bool { return c.PreemptibleNodeConfig != nil })
}

// template is what a new Node of the pool will look like at each placement, and
// what it costs. Four sources say it, each going before the ones above:
//
//	shape and pool     OCPUs, memory, GPUs, boot volume, CNI, placement, initial labels
//	OKE's own rules    what its kubelets reserve, which labels and taints they bring
//	metadata, scripts  kubelet flags and oci-growfs, as far as their text tells
//	tags               what a user says of nodes whose scripts cannot be read
//
// problems names what was there and could not be understood: the template is
// then what it would be without it.
func template(s containerengine.NodePoolSummary, metadata map[string]string, sh shape, prices Prices) (list []cloudprovider.Placement, problems []string) {
	kubelet, hints := kubeletOf(metadata), hintsOf(tagsOf(s.FreeformTags, s.DefinedTags))
	size := sizeOfNode(s, kubelet, sh)
	list = bare(s)
	for i, c := range placementConfigs(s) {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels(s, c), Annotations: map[string]string{
			"oci.oraclecloud.com/node-pool-id": str(s.Id), "oci.oraclecloud.com/compartment-id": str(s.CompartmentId),
		}}}
		maps.Copy(n.Labels, kubelet.labels)
		maps.Copy(n.Labels, hints.labels)
		n.Spec.Taints = taints(kubelet, hints, size, c)
		n.Status.Capacity, n.Status.Allocatable = size.capacity(), size.allocatable()
		for name, q := range hints.resources {
			n.Status.Capacity[name], n.Status.Allocatable[name] = q.DeepCopy(), q.DeepCopy()
		}
		n.Status.NodeInfo.KubeletVersion, n.Status.NodeInfo.Architecture, n.Status.NodeInfo.OperatingSystem = size.kubernetes, archOf(size.shape), "linux"
		list[i].Template = n
		list[i].Price = prices.node(size, c.PreemptibleNodeConfig != nil)
	}
	return list, append(kubelet.problems, hints.problems...)
}

// warn logs what is newly not understood of a pool.
func (p *Provider) warn(ctx context.Context, pool cloudprovider.NodePool, told []string) {
	for _, w := range pool.Health.Warnings {
		if !slices.Contains(told, w) {
			p.log.WarnContext(ctx, "node pool", "pool", pool.ID, "name", pool.Name, "ignored", w)
		}
	}
}

// taints are the kubelet's, those that OKE adds, and what tags say. That OKE
// taints GPU nodes no source confirms, but cluster-autoscaler takes it for
// granted, so that its users' pods tolerate it.
func taints(k kubelet, h hints, s size, c containerengine.NodePoolPlacementConfigDetails) []corev1.Taint {
	list := slices.Clone(k.taints)
	own := func(key string) {
		has := func(t corev1.Taint) bool { return t.Key == key && t.Effect == corev1.TaintEffectNoSchedule }
		if !slices.ContainsFunc(list, has) {
			list = append(list, corev1.Taint{Key: key, Value: "present", Effect: corev1.TaintEffectNoSchedule})
		}
	}
	if s.gpus > 0 {
		own(s.gpu)
	}
	if c.PreemptibleNodeConfig != nil {
		own(preemptible)
	}
	for _, t := range h.taints {
		list = setTaint(list, t)
	}
	return list
}

// sizeOfNode joins what the pool, its shape and its scripts say.
func sizeOfNode(s containerengine.NodePoolSummary, k kubelet, sh shape) size {
	out := size{
		shape: str(s.NodeShape), ocpus: sh.ocpus, memoryGB: sh.memoryGB, gpus: sh.gpus, gpu: sh.gpu,
		kubernetes: str(s.KubernetesVersion), diskGB: defaultBootGB, kept: k.reserved, evict: k.evict,
	}
	if c := s.NodeShapeConfig; c != nil && float(c.Ocpus) > 0 {
		out.ocpus = float(c.Ocpus)
	}
	if c := s.NodeShapeConfig; c != nil && float(c.MemoryInGBs) > 0 {
		out.memoryGB = float(c.MemoryInGBs)
	}
	if d, ok := s.NodeSourceDetails.(containerengine.NodeSourceViaImageDetails); ok && d.BootVolumeSizeInGBs != nil {
		out.diskGB = *d.BootVolumeSizeInGBs
	}
	// Ubuntu grows its root file system at first boot, Oracle Linux when told to.
	out.grown = k.grown || strings.Contains(strings.ToLower(releaseOf(s).ImageName), "ubuntu")
	native, asked := podNetwork(s)
	vnics := sh.vnicsAt(out.ocpus)
	if len(s.SecondaryVnics) > 0 {
		vnics = 0 // they say themselves how many addresses they carry
	}
	out.pods = podsOf(native, asked, vnics)
	if k.maxPods > 0 && native {
		out.pods = min(out.pods, k.maxPods) // more pods than addresses do not run
	} else if k.maxPods > 0 {
		out.pods = k.maxPods
	}
	return out
}

const defaultBootGB = 50

// podNetwork is whether pods have addresses of the VCN, and the pool's own limit
// of them per node, 0 if it has none.
func podNetwork(s containerengine.NodePoolSummary) (native bool, asked int) {
	for _, v := range s.SecondaryVnics { // the newer model counts addresses per VNIC
		if v.CreateVnicDetails != nil {
			asked += number(v.CreateVnicDetails.IpCount)
		}
	}
	if s.NodeConfigDetails == nil {
		return asked > 0, asked
	}
	d, ok := s.NodeConfigDetails.NodePoolPodNetworkOptionDetails.(containerengine.OciVcnIpNativeNodePoolPodNetworkOptionDetails)
	if ok && d.MaxPodsPerNode != nil {
		asked = *d.MaxPodsPerNode
	}
	return ok || asked > 0, asked
}
