package oke

import (
	"encoding/base64"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

const preemptible = "oci.oraclecloud.com/oke-is-preemptible"

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

// template is what a new Node of the pool will look like at each placement.
// What a cloud-init script does is seen as far as its text tells.
func template(s containerengine.NodePoolSummary, metadata map[string]string, sh shape) []cloudprovider.Placement {
	size := sizeOfNode(s, metadata, sh)
	kubelet := kubeletArguments(metadata)
	list := bare(s)
	for i, c := range placementConfigs(s) {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Labels: labels(s, c), Annotations: map[string]string{
			"oci.oraclecloud.com/node-pool-id": str(s.Id), "oci.oraclecloud.com/compartment-id": str(s.CompartmentId),
		}}}
		for key, value := range parseLabels(kubelet["node-labels"]) {
			n.Labels[key] = value
		}
		n.Spec.Taints = parseTaints(kubelet["register-with-taints"])
		if c.PreemptibleNodeConfig != nil {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: preemptible, Value: "present", Effect: corev1.TaintEffectNoSchedule})
		}
		if size.gpus > 0 && !hasTaint(n.Spec.Taints, size.gpu) {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: size.gpu, Value: "present", Effect: corev1.TaintEffectNoSchedule})
		}
		n.Status.Capacity, n.Status.Allocatable = size.capacity(), size.allocatable()
		n.Status.NodeInfo.KubeletVersion, n.Status.NodeInfo.Architecture, n.Status.NodeInfo.OperatingSystem = size.kubernetes, archOf(size.shape), "linux"
		list[i].Template = n
	}
	return list
}

// sizeOfNode joins what the pool, its shape and its scripts say.
func sizeOfNode(s containerengine.NodePoolSummary, metadata map[string]string, sh shape) size {
	out := size{
		shape: str(s.NodeShape), ocpus: sh.ocpus, memoryGB: sh.memoryGB, gpus: sh.gpus, gpu: sh.gpu,
		kubernetes: str(s.KubernetesVersion), diskGB: defaultBootGB,
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
	out.grown = strings.Contains(strings.ToLower(releaseOf(s).ImageName), "ubuntu") || strings.Contains(userData(metadata), "oci-growfs")
	native, asked := podNetwork(s)
	out.pods = podsOf(native, asked, sh.vnicsAt(out.ocpus))
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

// labels are those that OKE's nodes carry and that a pod may ask for. Names and
// addresses are each node's own and are left out.
func labels(s containerengine.NodePoolSummary, c containerengine.NodePoolPlacementConfigDetails) map[string]string {
	at, region, kind := string(zone(str(c.AvailabilityDomain))), regionKey(str(s.Id)), str(s.NodeShape)
	l := map[string]string{
		corev1.LabelOSStable: "linux", "beta.kubernetes.io/os": "linux",
		corev1.LabelArchStable: archOf(kind), "beta.kubernetes.io/arch": archOf(kind),
		corev1.LabelInstanceTypeStable: kind, corev1.LabelInstanceType: kind,
		corev1.LabelTopologyZone: at, corev1.LabelFailureDomainBetaZone: at,
		corev1.LabelTopologyRegion: region, corev1.LabelFailureDomainBetaRegion: region,
		"node-role.kubernetes.io/node":          "",
		"oci.oraclecloud.com/node.info.managed": "true",
		"node.info.ds_proxymux_client":          "true",
	}
	if len(c.FaultDomains) == 1 {
		l["oci.oraclecloud.com/fault-domain"] = c.FaultDomains[0]
	}
	if native, _ := podNetwork(s); native {
		l["oci.oraclecloud.com/vcn-native-ip-cni"] = "true"
	}
	if c.PreemptibleNodeConfig != nil {
		l[preemptible] = "true"
	}
	for _, kv := range s.InitialNodeLabels {
		l[str(kv.Key)] = str(kv.Value)
	}
	return l
}

// regionKey is the region as an OCID spells it ("iad"), which is also how the
// Node's label does.
func regionKey(ocid string) string {
	parts := strings.Split(ocid, ".")
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}

// userData is the pool's cloud-init script.
func userData(metadata map[string]string) string {
	raw, err := base64.StdEncoding.DecodeString(metadata["user_data"])
	if err != nil {
		return metadata["user_data"]
	}
	return string(raw)
}

// kubeletArguments finds kubelet flags in the metadata that OKE reads and in the
// script that calls OKE's installer with them.
func kubeletArguments(metadata map[string]string) map[string]string {
	found := map[string]string{}
	for _, text := range []string{userData(metadata), metadata["kubelet-extra-args"]} {
		fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\"'", r) })
		for i, f := range fields {
			name, value, joined := strings.Cut(strings.TrimPrefix(f, "--"), "=")
			if !joined && i+1 < len(fields) {
				value = fields[i+1]
			}
			if strings.HasPrefix(f, "--") && (name == "register-with-taints" || name == "node-labels") {
				found[name] = value
			}
		}
	}
	return found
}

// parseTaints reads "key=value:Effect,key:Effect" as the kubelet does; what it
// would refuse is left out.
func parseTaints(text string) []corev1.Taint {
	var list []corev1.Taint
	for _, part := range strings.Split(text, ",") {
		left, effect, ok := strings.Cut(part, ":")
		key, value, _ := strings.Cut(left, "=")
		switch t := corev1.TaintEffect(effect); t {
		case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
			if ok && key != "" {
				list = append(list, corev1.Taint{Key: key, Value: value, Effect: t})
			}
		}
	}
	return list
}

func parseLabels(text string) map[string]string {
	found := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		if key, value, ok := strings.Cut(part, "="); ok && key != "" {
			found[key] = value
		}
	}
	return found
}

func hasTaint(list []corev1.Taint, key string) bool {
	return slices.ContainsFunc(list, func(t corev1.Taint) bool { return t.Key == key })
}
