package cycle

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

// A block volume can be attached in its availability domain only, and the pod that
// has it can run nowhere else. The cloud, and not the caller, chooses in which
// domain a pool's new machine lands. So a new node that stands in for an old one in
// number may be no place for the old one's pods:
//
//	AD-1: old node, pod with a volume of AD-1      AD-2: old node, new node
//	          └── to take it now would leave the pod pending until a node is in AD-1
//
// Such a node waits for another one that its volumes can follow to. When nothing
// else can go on, it is taken all the same if the user bears that a node is
// missing: its deletion makes its domain the emptiest, where the cloud puts the
// next one.

// volumes are what is known of those that are bound to places.
type volumes struct {
	selectors map[string]*nodeaffinity.NodeSelector // by namespace/claim
	claimed   map[string]*corev1.PersistentVolume   // by the same
	places    []*world.Node                         // nodes that may take pods, in order
}

// volumes looks at all of them once in a decision.
func (d *decision) volumes() *volumes {
	if d.bound != nil {
		return d.bound
	}
	v := &volumes{selectors: map[string]*nodeaffinity.NodeSelector{}, claimed: map[string]*corev1.PersistentVolume{}}
	d.bound = v
	pvs := map[string]*corev1.PersistentVolume{}
	for _, pv := range d.s.PVs {
		if a := pv.Spec.NodeAffinity; a != nil && a.Required != nil {
			pvs[pv.Name] = pv
		}
	}
	for _, c := range d.s.PVCs {
		if pv := pvs[c.Spec.VolumeName]; pv != nil {
			if s, err := nodeaffinity.NewNodeSelector(pv.Spec.NodeAffinity.Required); err == nil {
				v.selectors[c.Namespace+"/"+c.Name], v.claimed[c.Namespace+"/"+c.Name] = s, pv
			}
		}
	}
	if len(v.selectors) == 0 {
		return v
	}
	v.add(d.pool.Nodes)
	for _, p := range d.s.Pools {
		if p != d.pool {
			v.add(p.Nodes)
		}
	}
	v.add(d.s.Unmanaged)
	return v
}

// add notes the nodes that pods may be put on. What is still to be replaced is
// among them: a pod that moves twice has a place both times.
func (v *volumes) add(nodes []*world.Node) {
	for _, n := range nodes {
		if n.Object != nil && n.Ready() && !n.Object.Spec.Unschedulable && n.Mark == nil {
			v.places = append(v.places, n)
		}
	}
}

// of are the claims of a pod that are bound to a place; none of one that has ended
// or that does not move.
func (v *volumes) of(p *corev1.Pod) []string {
	if ref := metav1.GetControllerOf(p); p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed || ref != nil && ref.Kind == "DaemonSet" {
		return nil
	}
	var out []string
	for _, x := range p.Spec.Volumes {
		claim := ""
		switch {
		case x.PersistentVolumeClaim != nil:
			claim = x.PersistentVolumeClaim.ClaimName
		case x.Ephemeral != nil:
			claim = p.Name + "-" + x.Name
		}
		if key := p.Namespace + "/" + claim; claim != "" && v.selectors[key] != nil {
			out = append(out, key)
		}
	}
	return out
}

// place is whether some other node could take the pod, as far as its volumes and
// its own wishes say.
func (v *volumes) place(p *corev1.Pod, claims []string, not func(*world.Node) bool) bool {
	wishes := nodeaffinity.GetRequiredNodeAffinity(p)
	return slices.ContainsFunc(v.places, func(n *world.Node) bool {
		if n.Name() == p.Spec.NodeName || not(n) {
			return false
		}
		for _, c := range claims {
			if !v.selectors[c].Match(n.Object) {
				return false
			}
		}
		ok, err := wishes.Match(n.Object)
		return err == nil && ok && tolerates(p, n.Object)
	})
}

// tolerates is whether no taint of the node keeps the pod off.
func tolerates(p *corev1.Pod, n *corev1.Node) bool {
	for i := range n.Spec.Taints {
		t := &n.Spec.Taints[i]
		if t.Effect != corev1.TaintEffectPreferNoSchedule &&
			!slices.ContainsFunc(p.Spec.Tolerations, func(x corev1.Toleration) bool { return tolerated(x, t) }) {
			return false
		}
	}
	return true
}

func tolerated(x corev1.Toleration, t *corev1.Taint) bool {
	switch {
	case x.Effect != "" && x.Effect != t.Effect, x.Key != "" && x.Key != t.Key:
		return false
	case x.Operator == corev1.TolerationOpExists:
		return true
	}
	return x.Key != "" && x.Value == t.Value
}

// noPlaceForVolumes says which pod's volumes keep a node, if any do.
func (d *decision) noPlaceForVolumes(n *world.Node, gone map[*world.Node]bool) Wait {
	if n.Object == nil || len(d.volumes().selectors) == 0 {
		return Wait{}
	}
	not := func(other *world.Node) bool { return gone[other] || d.lacks[other] != "" }
	for _, p := range n.Pods {
		// What is on the node's own disk goes with it, and is package drain's affair.
		claims := slices.DeleteFunc(d.bound.of(p), func(c string) bool { return drain.Local(d.bound.claimed[c], n.Object) })
		if len(claims) == 0 || d.bound.place(p, claims, not) {
			continue
		}
		var names []string
		for _, c := range claims {
			names = append(names, d.bound.claimed[c].Name)
		}
		return Wait{NoPlaceForVolume, fmt.Sprintf(
			"pod %s/%s has volume %s, which it could follow to no other node now: waiting for a new node in zone %s; maxUnavailable or spec.cycle.fallback.unavailable lets it wait without one",
			p.Namespace, p.Name, strings.Join(names, ", "), n.Zone())}
	}
	return Wait{}
}
