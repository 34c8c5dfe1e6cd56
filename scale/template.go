package scale

import (
	"maps"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	schedulingcorev1 "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/fit"
)

// nextZone is where the cloud will put the pool's next machine: the zone with
// the fewest, the earlier placement among equals.
func (p *pool) nextZone() cloudprovider.Zone {
	zones := p.places
	best := zones[0]
	for _, z := range zones[1:] {
		if p.zones[z] < p.zones[best] {
			best = z
		}
	}
	return best
}

// before is how many nodes the cloud makes before one is in one of the zones.
func (p *pool) before(zones []cloudprovider.Zone) int {
	counts := maps.Clone(p.zones)
	defer func() { p.zones = counts }()
	for n := 0; ; n++ {
		zone := p.nextZone()
		if len(zones) == 0 || slices.Contains(zones, zone) {
			return n
		}
		p.zones[zone]++
	}
}

// template is what a new node in the zone looks like, or anywhere if the pool
// has no such zone; nil if it has no placement.
func (p *pool) template(zone cloudprovider.Zone) *corev1.Node {
	for i := range p.Cloud.Placements {
		if p.Cloud.Placements[i].Zone == zone {
			return &p.Cloud.Placements[i].Template
		}
	}
	if len(p.Cloud.Placements) == 0 {
		return nil
	}
	return &p.Cloud.Placements[0].Template
}

// addNew puts a node made from a template into the simulation, with the
// DaemonSet pods that will run there, and returns its name.
func (d *decision) addNew(p *pool, template *corev1.Node, name string) string {
	if name == "" {
		d.serial++
		name = "new:" + p.Name + "/" + strconv.Itoa(d.serial)
	}
	_ = d.sim.AddLike(d.model(p, template), name) // a namesake of a machine is that machine
	return name
}

// model is what nodes of the template are made like.
func (d *decision) model(p *pool, template *corev1.Node) *fit.Model {
	m := d.models[template]
	if m == nil {
		n := grownUp(template, nil)
		m = d.sim.Model(n, d.daemonsOn(n, "a new node", nil), p.Slices...)
		d.models[template] = m
	}
	return m
}

// daemons makes one pod of each DaemonSet as its controller would.
func daemons(s *world.Snapshot) []*corev1.Pod {
	var out []*corev1.Pod
	for _, ds := range s.DaemonSets {
		if ds.DeletionTimestamp == nil {
			out = append(out, daemonPod(ds))
		}
	}
	return out
}

func daemonPod(ds *appsv1.DaemonSet) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *ds.Spec.Template.ObjectMeta.DeepCopy(), Spec: *ds.Spec.Template.Spec.DeepCopy()}
	pod.Namespace, pod.Name = ds.Namespace, ds.Name
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(ds, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
	// What the DaemonSet controller adds to each of its pods.
	for _, t := range []struct {
		key    string
		effect corev1.TaintEffect
	}{
		{corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute}, {corev1.TaintNodeUnreachable, corev1.TaintEffectNoExecute},
		{corev1.TaintNodeDiskPressure, corev1.TaintEffectNoSchedule}, {corev1.TaintNodeMemoryPressure, corev1.TaintEffectNoSchedule},
		{corev1.TaintNodePIDPressure, corev1.TaintEffectNoSchedule}, {corev1.TaintNodeUnschedulable, corev1.TaintEffectNoSchedule},
	} {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{Key: t.key, Operator: corev1.TolerationOpExists, Effect: t.effect})
	}
	return pod
}

// addDaemons places the DaemonSet pods that will run on the node and are not
// among those it has already.
func (d *decision) addDaemons(node string, have []*corev1.Pod) {
	for _, pod := range d.daemonsOn(d.sim.Node(node), node, have) {
		_ = d.sim.AddPod(pod, node) // the node is there
	}
}

// daemonsOn are DaemonSet pods that will run on the node, those it has left out.
func (d *decision) daemonsOn(n *corev1.Node, name string, have []*corev1.Pod) []*corev1.Pod {
	present := map[types.UID]bool{}
	for _, pod := range have {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			present[owner.UID] = true
		}
	}
	var out []*corev1.Pod
	for _, daemon := range d.daemons {
		if present[daemon.OwnerReferences[0].UID] || !runsOn(daemon, n) {
			continue
		}
		pod := *daemon
		pod.UID = types.UID(string(pod.OwnerReferences[0].UID) + "@" + name)
		pod.Name += "@" + name
		out = append(out, &pod)
	}
	return out
}

// runsOn asks what the DaemonSet controller asks: the pod's own node selection
// and tolerations, not whether there is room.
func runsOn(daemon *corev1.Pod, n *corev1.Node) bool {
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(daemon).Match(n); err != nil || !ok {
		return false
	}
	_, untolerated := schedulingcorev1.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, daemon.Spec.Tolerations,
		func(t *corev1.Taint) bool {
			return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
		}, false)
	return !untolerated
}
