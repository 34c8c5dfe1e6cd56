package scale

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// furnish puts the nodes there are, and those on their way, into the
// simulation. A node that takes no pods is put in as it is: what runs on it
// counts for affinity and spread, and the scheduler's own rules keep new pods
// off it.
func (d *decision) furnish() {
	for _, p := range d.pools {
		for _, n := range p.Nodes {
			d.furnishNode(p, n)
		}
	}
	for _, n := range d.s.Unmanaged {
		d.real(n, n.Object)
		if n.Ready() && !n.Object.Spec.Unschedulable {
			d.there = append(d.there, n.Name())
		}
	}
	for _, p := range d.pools {
		d.furnishMissing(p)
	}
}

func (d *decision) furnishNode(p *pool, n *world.Node) {
	stage := n.Stage()
	late := d.late(n)
	switch {
	case n.Object == nil:
		if (stage == world.StageLaunching || stage == world.StageJoining) && !late && !d.absent(p, n) {
			d.expect(p, n.Zone(), string(n.ID()))
		}
	case stage == world.StageAvailable && !late && idle(n.Pods) && d.absent(p, n):
	case stage == world.StageAvailable && !shedding(n.Object) && !d.unequipped(p, n):
		d.real(n, n.Object)
		d.there = append(d.there, n.Name())
		if !late {
			d.young = append(d.young, n.Name())
			d.await(n.Name(), p, n.Zone())
		}
	case (stage == world.StageGated || stage == world.StageJoining && !late) && idle(n.Pods) && d.absent(p, n):
	case stage == world.StageAvailable, stage == world.StageGated, stage == world.StageJoining && !late:
		d.real(n, grownUp(n.Object, p.template(n.Zone())))
		d.sim.Equip(n.Name(), p.Slices)
		d.addDaemons(n.Name(), n.Pods)
		d.coming = append(d.coming, n.Name())
		d.await(n.Name(), p, n.Zone())
	default:
		d.real(n, n.Object)
	}
}

// unequipped is whether a node that is up has yet to show what the pool's nodes
// have beside cores and memory: the drivers of its devices come up after it. Pods
// that wait for them need no other node, for as long as a machine has to join.
func (d *decision) unequipped(p *pool, n *world.Node) bool {
	if d.s.Now.Sub(n.Registered()) > d.p.JoinTimeout {
		return false
	}
	published := d.sim.Published(n.Object.Name)
	for _, x := range p.Slices {
		if !slices.Contains(published, x.Spec.Driver) {
			return true
		}
	}
	t := p.template(n.Zone())
	if t == nil || len(published) > 0 {
		return false
	}
	for name, q := range t.Status.Allocatable {
		if have := n.Object.Status.Allocatable[name]; gpu(name) && q.Sign() > 0 && have.IsZero() {
			return true
		}
	}
	return false
}

// furnishMissing adds the machines that were asked for and that the cloud does
// not list yet. Without them each look would ask again. What a run is to ask for and
// does not, since it stands still, helps nobody.
func (d *decision) furnishMissing(p *pool) {
	listed := 0
	for _, n := range p.Nodes {
		if n.Instance != nil && n.Stage() != world.StageTerminating {
			listed++
		}
	}
	due := max(p.Cloud.Size, p.base+p.absent)
	if p.Standstill(d.s.Now) != "" {
		due = p.Cloud.Size
	}
	for range due - listed {
		if len(p.Cloud.Placements) == 0 {
			return
		}
		if d.absent(p, nil) {
			continue
		}
		zone := p.nextZone()
		p.zones[zone]++
		d.expect(p, zone, "")
	}
}

// expect adds a node that will look like the pool's template.
func (d *decision) expect(p *pool, zone cloudprovider.Zone, name string) {
	if t := p.template(zone); t != nil {
		name = d.addNew(p, t, name)
		d.coming = append(d.coming, name)
		d.await(name, p, zone)
	}
}

// real adds a node as object has it, with the pods that run on it, unless it stands
// in the scenery already.
func (d *decision) real(n *world.Node, object *corev1.Node) {
	if d.sim.Node(object.Name) != nil || d.sim.AddNode(object) != nil {
		return // or a namesake: Kubernetes allows none
	}
	d.sim.AddPods(n.Pods, object.Name)
}

func terminal(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// late is whether a machine has had its time to join.
func (d *decision) late(n *world.Node) bool {
	created := n.Created()
	return !created.IsZero() && d.s.Now.Sub(created) > d.p.JoinTimeout
}

// startupTaints go by themselves once a node is up, or are said to by
// cluster-autoscaler's prefixes.
var startupTaints = []string{
	corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable,
	"node.cloudprovider.kubernetes.io/uninitialized", "node.kubernetes.io/out-of-service",
	"startup-taint.cluster-autoscaler.kubernetes.io/", "ignore-taint.cluster-autoscaler.kubernetes.io/",
	"status-taint.cluster-autoscaler.kubernetes.io/",
}

func startup(t corev1.Taint) bool {
	for _, prefix := range startupTaints {
		if strings.HasPrefix(t.Key, prefix) {
			return true
		}
	}
	return false
}

// shedding is whether a node that is up still has the taints of not being so:
// the control plane takes them off a moment after the kubelet's word. In that
// moment no pod can be put there, and no other node is needed for it.
func shedding(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable {
			return true
		}
	}
	return false
}

// grownUp is the node as it will be when it is up: without the taints of its
// childhood, and with the resources that a device plugin has yet to announce.
// Without the latter a GPU pod would make the pool grow again while its node is
// starting.
func grownUp(n *corev1.Node, template *corev1.Node) *corev1.Node {
	n = n.DeepCopy()
	n.Spec.Unschedulable = false
	kept := n.Spec.Taints[:0]
	for _, t := range n.Spec.Taints {
		if !startup(t) {
			kept = append(kept, t)
		}
	}
	n.Spec.Taints = kept
	if template == nil {
		return n
	}
	if n.Status.Allocatable == nil {
		n.Status.Allocatable = corev1.ResourceList{}
	}
	for name, q := range template.Status.Allocatable {
		if have, ok := n.Status.Allocatable[name]; !ok || have.IsZero() {
			n.Status.Allocatable[name] = q
		}
	}
	return n
}
