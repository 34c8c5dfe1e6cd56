package drain

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Volumes that are attached to a machine follow their pod slowly: unmount, detach,
// attach, mount. Pods that have some leave one after another, each when the
// volumes of the one before are off the machine, so that what is down at one time
// is one of them. And a machine is not ended before its volumes are off it:
// otherwise they stay with it until the control plane's six minutes are over.

// volumes are the names of the PersistentVolumes that the pod's claims are bound
// to.
func (a Around) volumes(pod *corev1.Pod) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		claim := ""
		switch {
		case v.PersistentVolumeClaim != nil:
			claim = v.PersistentVolumeClaim.ClaimName
		case v.Ephemeral != nil:
			claim = pod.Name + "-" + v.Name
		}
		for _, c := range a.PVCs {
			if claim != "" && c.Namespace == pod.Namespace && c.Name == claim && c.Spec.VolumeName != "" {
				names = append(names, c.Spec.VolumeName)
			}
		}
	}
	return names
}

// Attached is whether one of the pod's volumes is attached to the node.
func (t Target) Attached(pod *corev1.Pod) bool {
	for _, name := range t.volumes(pod) {
		for _, a := range t.Attachments {
			if a.Spec.NodeName == t.Node.Name && a.Spec.Source.PersistentVolumeName != nil && *a.Spec.Source.PersistentVolumeName == name {
				return true
			}
		}
	}
	return false
}

// detaching are the volumes on the node that no pod of it has any more, by the
// name and UID of their attachments.
func (t Target) detaching() map[types.UID]string {
	used := map[string]bool{}
	for _, p := range t.Pods {
		if !over(p) {
			for _, name := range t.volumes(p) {
				used[name] = true
			}
		}
	}
	out := map[types.UID]string{}
	for _, a := range t.Attachments {
		if pv := a.Spec.Source.PersistentVolumeName; a.Spec.NodeName == t.Node.Name && pv != nil && !used[*pv] {
			out[a.UID] = *pv
		}
	}
	return out
}

// local is the name of a volume of the pod that is on this very node, "" if there
// is none. Its pod could run nowhere else.
func (t Target) local(pod *corev1.Pod) string {
	for _, name := range t.volumes(pod) {
		for _, pv := range t.PVs {
			if pv.Name == name && Local(pv, t.Node) {
				return name
			}
		}
	}
	return ""
}

// Local is whether the volume is on the node's own disk: by its kind or, for a CSI
// driver's (LVM, TopoLVM), since it can be reached from the node of this name alone.
func Local(pv *corev1.PersistentVolume, n *corev1.Node) bool {
	if pv.Spec.Local != nil || pv.Spec.HostPath != nil {
		return true
	}
	a := pv.Spec.NodeAffinity
	if a == nil || a.Required == nil || len(a.Required.NodeSelectorTerms) == 0 {
		return false
	}
	return !slices.ContainsFunc(a.Required.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
		return !slices.ContainsFunc(t.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool { return isNamed(e, n) })
	})
}

// isNamed is whether the requirement is met by nodes of this one's name only.
func isNamed(e corev1.NodeSelectorRequirement, n *corev1.Node) bool {
	return e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 && e.Values[0] != "" &&
		(e.Values[0] == n.Name || e.Values[0] == n.Labels[corev1.LabelHostname])
}
