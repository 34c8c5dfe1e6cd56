package doctor

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// otherController names a key by which another controller claims the node, or a
// person keeps repairers off it.
func otherController(n *corev1.Node) (key string, found bool) {
	for _, t := range n.Spec.Taints {
		switch t.Key {
		case "ToBeDeletedByClusterAutoscaler", "oci.oraclecloud.com/node-auto-repair-scheduled", "node.kubernetes.io/out-of-service", "karpenter.sh/disrupted":
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
