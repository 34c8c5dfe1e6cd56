package doctor

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// otherController names a key by which another controller claims the node, or a
// person keeps repairers off it. That a machine does not run tidemill says itself, by a
// taint that people may set as well: its own is a reason for a repair and none against it.
func otherController(n *corev1.Node) (key string, found bool) {
	for _, t := range n.Spec.Taints {
		switch t.Key {
		case v1alpha1.TaintOutOfService:
			if t.Value != v1alpha1.Own {
				return "taint " + t.Key, true
			}
		case "ToBeDeletedByClusterAutoscaler", "oci.oraclecloud.com/node-auto-repair-scheduled", "karpenter.sh/disrupted":
			return "taint " + t.Key, true
		}
	}
	for _, k := range []string{"oci.oraclecloud.com/nodeautorepair-state", "oci.oraclecloud.com/nodeautorepair-repair-id"} {
		if _, ok := n.Annotations[k]; ok {
			return "annotation " + k, true
		}
	}
	for _, k := range []string{"oke.oraclecloud.com/node_operation", "oci.oraclecloud.com/node-auto-repair-disabled"} {
		if v, ok := n.Labels[k]; ok && v != "false" {
			return fmt.Sprintf("label %s=%s", k, v), true
		}
	}
	return "", false
}
