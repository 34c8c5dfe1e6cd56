package playground

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/okesim"
)

// nodeOf is the Node that the kubelet and OCI's cloud controller manager make
// of an instance, just registered: not Ready, and tainted so by the API
// server's admission.
func nodeOf(i okesim.Instance) *corev1.Node {
	capacity, allocatable := resources(i)
	now := metav1.NewTime(time.Now())
	condition := readyCondition(corev1.ConditionFalse)
	condition.Message = "container runtime network not ready: cni plugin not initialized"
	condition.LastHeartbeatTime, condition.LastTransitionTime = now, now
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			// The private IP, as OKE names Nodes that have no VCN host name:
			// whoever matches by name instead of provider ID fails here.
			Name:        i.PrivateIP,
			Labels:      nodeLabels(i),
			Annotations: nodeAnnotations(i),
		},
		// The bare OCID: OCI's provider IDs have no "oci://" in front.
		Spec: corev1.NodeSpec{ProviderID: i.ID, Taints: nodeTaints(i)},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: allocatable,
			Conditions:  []corev1.NodeCondition{condition},
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: i.PrivateIP},
				{Type: corev1.NodeHostName, Address: i.PrivateIP},
			},
			NodeInfo: nodeInfo(i),
		},
	}
}

// nodeLabels are the labels of an OKE Node. The pool's own labels come last
// but cannot change the ones a kubelet or the cloud owns.
func nodeLabels(i okesim.Instance) map[string]string {
	zone, region := zoneOf(i.AvailabilityDomain), regionKey(i.ID)
	labels := maps.Clone(i.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, arg := range kubeletArgs(i, "--node-labels") {
		key, value, _ := strings.Cut(arg, "=")
		labels[key] = value
	}
	maps.Copy(labels, map[string]string{
		"beta.kubernetes.io/arch":                      i.Arch,
		"beta.kubernetes.io/instance-type":             i.Shape,
		"beta.kubernetes.io/os":                        "linux",
		"displayName":                                  i.Name,
		"failure-domain.beta.kubernetes.io/region":     region,
		"failure-domain.beta.kubernetes.io/zone":       zone,
		"hostname":                                     i.Name,
		"internal_addr":                                i.PrivateIP,
		"kubernetes.io/arch":                           i.Arch,
		"kubernetes.io/hostname":                       i.PrivateIP,
		"kubernetes.io/os":                             "linux",
		"last-migration-failure":                       "get_kubesvc_failure",
		"node-role.kubernetes.io/node":                 "",
		"node.info.ds_proxymux_client":                 "true",
		"node.info/compartment.id":                     uniquePart(i.CompartmentID),
		"node.info/compartment.name":                   "playground",
		"node.info/kubeletVersion":                     minorOf(i.KubernetesVersion),
		"node.kubernetes.io/instance-type":             i.Shape,
		"oci.oraclecloud.com/fault-domain":             i.FaultDomain,
		"oci.oraclecloud.com/ip-family-ipv4":           "true",
		"oci.oraclecloud.com/ip-family-preferred":      "ipv4",
		"oci.oraclecloud.com/node.info.managed":        "true",
		"oke.oraclecloud.com/node.info.private_subnet": "true",
		"oke.oraclecloud.com/node.info.private_worker": "true",
		"topology.kubernetes.io/region":                region,
		"topology.kubernetes.io/zone":                  zone,
		kubeletLabel:                                   kubeletRunning,
	})
	if i.CNI == vcnNative {
		labels["oci.oraclecloud.com/vcn-native-ip-cni"] = "true"
	}
	if i.Preemptible {
		labels[preemptible] = "true"
	}
	return labels
}

const preemptible = "oci.oraclecloud.com/oke-is-preemptible"

func nodeAnnotations(i okesim.Instance) map[string]string {
	return map[string]string{
		"alpha.kubernetes.io/provided-node-ip": i.PrivateIP,
		"csi.volume.kubernetes.io/nodeid":      fmt.Sprintf(`{"blockvolume.csi.oraclecloud.com":%q,"fss.csi.oraclecloud.com":%q}`, i.PrivateIP, i.PrivateIP),
		"oci.oraclecloud.com/compartment-id":   i.CompartmentID,
		"oci.oraclecloud.com/node-pool-id":     i.PoolID,
	}
}

// nodeTaints are the taints that the kubelet registers with.
func nodeTaints(i okesim.Instance) []corev1.Taint {
	var taints []corev1.Taint
	for _, arg := range kubeletArgs(i, "--register-with-taints") {
		if taint, ok := parseTaint(arg); ok {
			taints = append(taints, taint)
		}
	}
	own := func(key string) { // unless the pool has registered it: a taint may be there once
		for _, t := range taints {
			if t.Key == key && t.Effect == corev1.TaintEffectNoSchedule {
				return
			}
		}
		taints = append(taints, corev1.Taint{Key: key, Value: "present", Effect: corev1.TaintEffectNoSchedule})
	}
	if i.GPUs > 0 {
		own(string(gpuResource))
	}
	if i.Preemptible {
		own(preemptible)
	}
	return taints
}

// kubeletArgs are the comma-separated values of one kubelet flag. There are two
// ways to set one on an OKE pool, and none of them is a field of its API: the
// metadata key kubelet-extra-args, and a cloud-init script that hands
// --kubelet-extra-args to oke-install.sh.
func kubeletArgs(i okesim.Instance, flag string) []string {
	args := i.Metadata["kubelet-extra-args"]
	if _, rest, ok := strings.Cut(userData(i), "--kubelet-extra-args"); ok {
		rest = strings.TrimLeft(rest, "= ")
		if quote := rest[:min(1, len(rest))]; quote == `"` || quote == "'" {
			rest, _, _ = strings.Cut(rest[1:], quote)
		} else {
			rest, _, _ = strings.Cut(rest, "\n")
		}
		args += " " + rest
	}
	for _, field := range strings.Fields(args) {
		if values, ok := strings.CutPrefix(field, flag+"="); ok && values != "" {
			return strings.Split(values, ",")
		}
	}
	return nil
}

// userData is the instance's cloud-init script, "" if it has none.
func userData(i okesim.Instance) string {
	text, err := base64.StdEncoding.DecodeString(i.Metadata["user_data"])
	if err != nil {
		return ""
	}
	return string(text)
}

// parseTaint reads the kubelet's "key=value:Effect" or "key:Effect".
func parseTaint(text string) (corev1.Taint, bool) {
	head, effect, ok := strings.Cut(text, ":")
	key, value, _ := strings.Cut(head, "=")
	return corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}, ok && key != ""
}

func nodeInfo(i okesim.Instance) corev1.NodeSystemInfo {
	sum := sha256.Sum256([]byte(i.ID))
	machine := hex.EncodeToString(sum[:16])
	kernel := "5.15.0-313.189.5.3.el8uek.x86_64"
	if i.Arch == "arm64" {
		kernel = "5.15.0-313.189.5.3.el8uek.aarch64"
	}
	return corev1.NodeSystemInfo{
		MachineID: machine, SystemUUID: machine, BootID: bootID(i),
		KernelVersion: kernel, OSImage: "Oracle Linux Server 8.10", OperatingSystem: "linux", Architecture: i.Arch,
		ContainerRuntimeVersion: "cri-o://" + strings.TrimPrefix(minorOf(i.KubernetesVersion), "v") + ".0",
		KubeletVersion:          i.KubernetesVersion,
	}
}

// bootID is another one after each boot: by it a reboot is seen that was too
// short for a heartbeat to be missed.
func bootID(i okesim.Instance) string {
	sum := sha256.Sum256([]byte(i.ID + strconv.Itoa(i.Boots)))
	return hex.EncodeToString(sum[:16])
}

// zoneOf takes the tenancy's prefix off an availability domain:
// "Uocm:US-ASHBURN-AD-1" is the zone "US-ASHBURN-AD-1".
func zoneOf(ad string) string {
	if _, zone, ok := strings.Cut(ad, ":"); ok {
		return zone
	}
	return ad
}

// regionKey is the region as an OCID spells it ("iad"), which is also how OKE
// labels it: ocid1.instance.oc1.iad.anuwc...
func regionKey(ocid string) string {
	if parts := strings.Split(ocid, "."); len(parts) > 3 {
		return parts[3]
	}
	return ""
}

// uniquePart is the last part of an OCID, short enough for a label.
func uniquePart(ocid string) string {
	part := ocid[strings.LastIndex(ocid, ".")+1:]
	return part[:min(len(part), 63)]
}

// minorOf shortens "v1.34.1" to "v1.34".
func minorOf(version string) string {
	if parts := strings.SplitN(version, ".", 3); len(parts) == 3 {
		return parts[0] + "." + parts[1]
	}
	return version
}
