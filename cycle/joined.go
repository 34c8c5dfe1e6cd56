package cycle

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// standard is what the pool's older nodes have in common, and a new one has to
// have as well before it stands in for one of them. A node that is Ready may
// still be without its network, its volumes or its GPUs: pods that are moved
// there find that out one after the other.
type standard struct {
	sets      map[string]bool // critical DaemonSets, "namespace/name"
	drivers   map[string]bool // CSI
	resources map[corev1.ResourceName]bool
	taints    map[string]bool // that keep pods off, by key
	devices   map[string]bool // drivers that publish devices of the node
}

// newcomers says of each node born in the run, and Available, what it lacks.
func (d *decision) newcomers(run *v1alpha1.CycleStatus) map[*world.Node]string {
	var old, born []*world.Node
	for _, n := range d.pool.Nodes {
		switch {
		case !n.Available():
		case d.born(n, run):
			born = append(born, n)
		default:
			old = append(old, n)
		}
	}
	out := map[*world.Node]string{}
	if len(born) == 0 {
		return out
	}
	csi := d.drivers()
	want := d.standard(old, csi)
	for _, n := range born {
		if lacks := d.lacking(n, want, csi); lacks != "" {
			out[n] = lacks
		}
	}
	return out
}

// drivers are the CSI drivers that are registered, by Node.
func (d *decision) drivers() map[string][]string {
	out := map[string][]string{}
	for _, c := range d.s.CSINodes {
		for _, driver := range c.Spec.Drivers {
			out[c.Name] = append(out[c.Name], driver.Name)
		}
	}
	return out
}

// devices are the drivers that have published the devices of a node, by Node: all
// slices of each of their pools, as many as they say there are.
func (d *decision) devices() map[string]map[string]bool {
	if d.published != nil {
		return d.published
	}
	type pool struct{ node, driver, name string }
	missing := map[pool]int64{}
	for _, x := range world.LocalSlices(d.s.Devices.Slices) {
		at := pool{*x.Spec.NodeName, x.Spec.Driver, x.Spec.Pool.Name}
		if _, seen := missing[at]; !seen {
			missing[at] = x.Spec.Pool.ResourceSliceCount
		}
		missing[at]--
	}
	d.published = map[string]map[string]bool{}
	incomplete := map[pool]bool{}
	for at, left := range missing {
		if d.published[at.node] == nil {
			d.published[at.node] = map[string]bool{}
		}
		d.published[at.node][at.driver] = true
		if left > 0 {
			incomplete[pool{at.node, at.driver, ""}] = true
		}
	}
	for at := range incomplete {
		delete(d.published[at.node], at.driver)
	}
	return d.published
}

func (d *decision) standard(old []*world.Node, csi map[string][]string) standard {
	w := standard{map[string]bool{}, map[string]bool{}, map[corev1.ResourceName]bool{}, map[string]bool{}, map[string]bool{}}
	sets, drivers, devices, resources, taints := map[string]int{}, map[string]int{}, map[string]int{}, map[corev1.ResourceName]int{}, map[string]int{}
	for _, n := range old {
		for _, p := range n.Pods {
			if set := criticalSet(p); set != "" && podReady(p) {
				sets[set]++
			}
		}
		for _, driver := range csi[n.Name()] {
			drivers[driver]++
		}
		for driver := range d.devices()[n.Name()] {
			devices[driver]++
		}
		for _, t := range n.Object.Spec.Taints {
			taints[t.Key]++
		}
		for name, q := range n.Object.Status.Allocatable {
			if extended(name) && !q.IsZero() {
				resources[name]++
			}
		}
	}
	common(w.sets, sets, len(old))
	common(w.drivers, drivers, len(old))
	common(w.devices, devices, len(old))
	common(w.resources, resources, len(old))
	common(w.taints, taints, len(old))
	return w
}

func common[K comparable](into map[K]bool, counts map[K]int, all int) {
	for k, n := range counts {
		if n == all {
			into[k] = true
		}
	}
}

// lacking is the first thing that keeps a new node from standing in.
func (d *decision) lacking(n *world.Node, want standard, csi map[string][]string) string {
	if t := hardTaint(n.Object, want.taints, d.pool.Cloud.Placements); t != "" {
		return "taint " + t + " keeps pods off"
	}
	have := map[string]bool{}
	for _, p := range n.Pods {
		set := criticalSet(p)
		if set != "" && p.DeletionTimestamp == nil && !podReady(p) {
			return "pod " + p.Name + " of critical DaemonSet " + set + " is not ready"
		}
		have[set] = true
	}
	if set := firstMissing(want.sets, func(s string) bool { return have[s] }); set != "" {
		return "critical DaemonSet " + set + " has no pod on it"
	}
	if driver := firstMissing(want.drivers, func(s string) bool { return slices.Contains(csi[n.Name()], s) }); driver != "" {
		return "CSI driver " + driver + " is not registered"
	}
	if driver := firstMissing(want.devices, func(s string) bool { return d.devices()[n.Name()][s] }); driver != "" {
		return "driver " + driver + " has not published all ResourceSlices of its devices"
	}
	missing := firstMissing(want.resources, func(r corev1.ResourceName) bool { q := n.Object.Status.Allocatable[r]; return !q.IsZero() })
	if missing != "" {
		return fmt.Sprintf("it offers no %s", missing)
	}
	return ""
}

// firstMissing is the first in order of those wanted that are not there.
func firstMissing[K ~string](want map[K]bool, there func(K) bool) K {
	var first K
	for k := range want {
		if !there(k) && (first == "" || k < first) {
			first = k
		}
	}
	return first
}

// criticalSet is the DaemonSet of a pod that a node cannot do without, by its
// priority class; "" for any other pod.
func criticalSet(p *corev1.Pod) string {
	ref := metav1.GetControllerOf(p)
	if ref == nil || ref.Kind != "DaemonSet" || p.Spec.PriorityClassName != "system-node-critical" && p.Spec.PriorityClassName != "system-cluster-critical" {
		return ""
	}
	return p.Namespace + "/" + ref.Name
}

func podReady(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// extended is whether a resource is of a device plugin's.
func extended(r corev1.ResourceName) bool {
	domain, _, ok := strings.Cut(string(r), "/")
	return ok && domain != "kubernetes.io" && !strings.HasSuffix(domain, ".kubernetes.io")
}

// hardTaint is a taint that keeps pods off a new node and that the pool does not
// give its nodes: a startup taint that its agent has not taken off yet.
func hardTaint(n *corev1.Node, usual map[string]bool, placements []cloudprovider.Placement) string {
	for _, t := range n.Spec.Taints {
		if t.Effect == corev1.TaintEffectPreferNoSchedule || t.Key == corev1.TaintNodeUnschedulable || usual[t.Key] {
			continue
		}
		if !slices.ContainsFunc(placements, func(p cloudprovider.Placement) bool {
			return slices.ContainsFunc(p.Template.Spec.Taints, func(want corev1.Taint) bool { return want.Key == t.Key && !startup(t.Key) })
		}) {
			return t.Key
		}
	}
	return ""
}

// startup is whether a taint says by its name that it will be taken off.
func startup(key string) bool {
	return strings.HasPrefix(key, "startup-taint.cluster-autoscaler.kubernetes.io/") || strings.HasPrefix(key, "ignore-taint.cluster-autoscaler.kubernetes.io/") ||
		strings.HasSuffix(key, "/agent-not-ready")
}
