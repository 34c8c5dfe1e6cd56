package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Marks names everything of tidemill's that stands on a Node, sorted:
// annotations, the taint, conditions, and the cordon if tidemill set it. What a
// person set (a request of his own, do-not-disrupt) is none of it. It is pure,
// and empty on a Node that tidemill has left.
func Marks(n *corev1.Node) []string {
	var out []string
	for _, key := range nodeAnnotations {
		if _, ok := n.Annotations[key]; ok {
			out = append(out, "annotation "+key)
		}
	}
	if _, asked, _ := ParseRepairRequest(n.Annotations[v1alpha1.AnnotationCycle]); asked {
		out = append(out, "annotation "+v1alpha1.AnnotationCycle)
	}
	if m, err := MarkOf(n); err == nil && m != nil && m.Cordoned && n.Spec.Unschedulable {
		out = append(out, "cordon")
	}
	for _, t := range n.Spec.Taints {
		if t.Key == v1alpha1.TaintOutdated {
			out = append(out, "taint "+t.Key)
		}
	}
	if OutOfService(n) {
		out = append(out, "taint "+v1alpha1.TaintOutOfService)
	}
	if Excluded(n) {
		out = append(out, "label "+v1alpha1.LabelExcludeBalancers)
	}
	for _, c := range n.Status.Conditions {
		if ownCondition(c.Type) {
			out = append(out, "condition "+string(c.Type))
		}
	}
	sort.Strings(out)
	return out
}

// nodeAnnotations are the annotations that only tidemill sets on Nodes.
var nodeAnnotations = []string{
	v1alpha1.AnnotationDisruption, v1alpha1.AnnotationUnneededSince, v1alpha1.AnnotationSkippedUntil,
	v1alpha1.AnnotationRepairs, v1alpha1.AnnotationRenewed, v1alpha1.AnnotationScaleDownKept,
}

func ownCondition(t corev1.NodeConditionType) bool {
	return t == v1alpha1.NodeConditionProblem || t == v1alpha1.NodeConditionHost
}

// Cleanse takes everything of tidemill's off a Node, at the end of its use: what
// [Marks] names, each given back as it was found. The daemon must not run, or it
// marks the Node again. A Node that changed meanwhile answers a conflict.
func Cleanse(ctx context.Context, c client.Client, n *corev1.Node) error {
	// Conditions last: writing them would make the patch of the rest a conflict,
	// for it carries the resourceVersion that was decided upon.
	if err := PatchNode(ctx, c, n, strip); err != nil {
		return err
	}
	var drop []map[string]string
	for _, cond := range n.Status.Conditions {
		if ownCondition(cond.Type) {
			drop = append(drop, map[string]string{"$patch": "delete", "type": string(cond.Type)})
		}
	}
	if len(drop) == 0 {
		return nil
	}
	// Not by server-side apply: it takes off only what one owner has put there,
	// and a strategic patch touches no other entry of the list either.
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": n.UID}, "status": map[string]any{"conditions": drop}})
	if err != nil {
		return fmt.Errorf("drop conditions of node %s: %w", n.Name, err)
	}
	if err := c.Status().Patch(ctx, n.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, patch)); err != nil {
		return fmt.Errorf("drop conditions of node %s: %w", n.Name, err)
	}
	return nil
}

// strip takes all but the conditions off n in memory.
func strip(n *corev1.Node) {
	Unmark(n)
	PutInService(n)
	AllowScaleDown(n)
	if _, asked, _ := ParseRepairRequest(n.Annotations[v1alpha1.AnnotationCycle]); asked {
		delete(n.Annotations, v1alpha1.AnnotationCycle)
	}
	for _, key := range nodeAnnotations {
		delete(n.Annotations, key)
	}
}
