package oke

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

const preemptible = "oci.oraclecloud.com/oke-is-preemptible"

// labels are those that OKE's nodes carry and that a pod may ask for. Names,
// addresses, hosts and racks (oci.oraclecloud.com/host.*, rdma.*) are each node's
// own and are left out: a pod that asks for one of them asks for a node that is
// there, never for a new one.
func labels(s containerengine.NodePoolSummary, c containerengine.NodePoolPlacementConfigDetails) map[string]string {
	at, region, kind := string(zone(str(c.AvailabilityDomain))), regionKey(str(s.Id)), str(s.NodeShape)
	l := map[string]string{
		corev1.LabelOSStable: "linux", "beta.kubernetes.io/os": "linux",
		corev1.LabelArchStable: archOf(kind), "beta.kubernetes.io/arch": archOf(kind),
		corev1.LabelInstanceTypeStable: kind, corev1.LabelInstanceType: kind,
		corev1.LabelTopologyZone: at, corev1.LabelFailureDomainBetaZone: at,
		corev1.LabelTopologyRegion: region, corev1.LabelFailureDomainBetaRegion: region,
		"node-role.kubernetes.io/node":          "",
		"node.info.ds_proxymux_client":          "true",
		"oci.oraclecloud.com/ip-family-ipv4":    "true",
		"oci.oraclecloud.com/node.info.managed": "true",
	}
	// Several fault domains are the service's to choose from: the label is none of
	// them until the node is there.
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
