package doctor

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Patient is who is examined: a node as the cluster and the cloud see it, or a
// host as it sees itself. It is read-only.
type Patient struct {
	// Now is the time of the examination.
	Now time.Time
	// Node is nil when only the host is examined; Node.Object is nil for a
	// machine that has not registered.
	Node *world.Node
	// Pool is nil for a node of no pool.
	Pool *world.Pool
	// Look is the fleet around the node, with what was observed once for all.
	Look *Look
	// Host is nil unless the examination runs on the node itself.
	Host *Host
	// Grace is how long this kind of node may take to join.
	Grace time.Duration
}

// theirs is the time of the examination by the API server's clock: what it has dated is
// as old as it is by that.
func (p Patient) theirs() time.Time {
	if p.Look == nil || p.Look.Snapshot == nil {
		return p.Now
	}
	return p.Now.Add(p.Look.Snapshot.Ahead)
}

// Name is the node's name, or the host's.
func (p Patient) Name() string {
	if p.Node == nil {
		return p.Host.Name
	}
	return p.Node.Name()
}

// key tells patients apart for the memory of the daemon: a Node of the same
// name with another UID is another patient.
func (p Patient) key() string {
	switch {
	case p.Node == nil:
		return "host"
	case p.Node.Object != nil:
		return string(p.Node.Object.UID) + "/" + p.Node.Object.Name
	}
	return string(p.Node.ID())
}

// Examined is whether a verdict already stands on the node.
func (p Patient) Examined() bool {
	c := p.Node.Condition(v1alpha1.NodeConditionProblem)
	return c != nil && c.Status != corev1.ConditionUnknown
}

// Joining is whether the node is in the grace of its first boot: young, never yet
// examined, and none that worked before anybody came to examine it.
func (p Patient) Joining() bool {
	return !p.Examined() && p.Now.Sub(p.Node.Created()) < p.Grace && !p.fellSilent()
}

// fellSilent is whether a kubelet that is not heard of has been Ready before: it runs a
// pod that the scheduler puts on no node that is not. While nobody led, nodes join, work
// and die together; taken for nodes in their first boot they are no sign of what they
// have in common, and one is repaired after the other.
func (p Patient) fellSilent() bool {
	c := p.Node.Condition(corev1.NodeReady)
	return c != nil && c.Status == corev1.ConditionUnknown && slices.ContainsFunc(p.Node.Pods, placedWhenReady)
}

// placedWhenReady is whether a pod that runs, and is not Ready since its kubelet is
// silent, was put where it is when the node was Ready.
func placedWhenReady(pod *corev1.Pod) bool {
	ready := podCondition(pod, corev1.PodReady)
	if pod.Status.Phase != corev1.PodRunning || ready == nil || ready.Status == corev1.ConditionTrue {
		return false
	}
	if owner := metav1.GetControllerOf(pod); owner != nil && (owner.Kind == "DaemonSet" || owner.Kind == "Node") {
		return false // these run on any node, and as its first
	}
	gate := []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}
	_, repelled := schedulinghelpers.FindMatchingUntoleratedTaint(klog.Background(), gate, pod.Spec.Tolerations, nil, false)
	return repelled
}

// Leaving is whether the node is being deleted, or restarted: what fails then is
// expected.
func (p Patient) Leaving() bool {
	n := p.Node
	switch {
	case n.Instance != nil && n.Instance.State == cloudprovider.Deleting:
		return true
	case n.Object == nil:
		return false
	case n.Object.DeletionTimestamp != nil:
		return true
	}
	if n.Mark == nil || n.Mark.Drained == nil {
		return false
	}
	// A drained node's machine is on its way out whether or not the cloud shows
	// it already, unless it stands: for as long as somebody likes who has paused the
	// pool, or until the soak of a blue-green run is over. It may recover then. One that
	// is restarted where it stands is away and comes back: the executor waits for a
	// verdict on it then.
	if n.Mark.Stays() {
		return !n.Ready()
	}
	return p.Pool == nil || !p.Pool.Paused() && !p.soaks()
}

// soaks is whether the node is of those that a blue-green run leaves standing when they
// are empty, to be given back at a rollback.
func (p Patient) soaks() bool {
	run := p.Pool.Run()
	return run != nil && run.Strategy == v1alpha1.StrategyBlueGreen && p.Node.Mark.Cause == kube.CauseCycle
}

// grace is how long a node of the pool may take: bare metal checks its memory
// at length before it boots.
func (p Policy) grace(pool *world.Pool) time.Duration {
	if pool != nil && strings.HasPrefix(pool.Cloud.Shape, "BM.") {
		return p.BootGraceMetal
	}
	return p.BootGrace
}

// patients are all nodes and machines of a look, pools first.
func patients(look *Look, policy Policy) []Patient {
	s := look.Snapshot
	var out []Patient
	add := func(pool *world.Pool, n *world.Node) {
		out = append(out, Patient{Now: s.Now, Node: n, Pool: pool, Look: look, Grace: policy.grace(pool)})
	}
	for _, pool := range s.Pools {
		for _, n := range pool.Nodes {
			add(pool, n)
		}
	}
	for _, n := range s.Unmanaged {
		add(nil, n)
	}
	return out
}

// registered, machine and working are what checks apply to.

func registered(p Patient) (bool, string) {
	return p.Node.Object != nil, "the machine has not registered as a Node"
}

// working excludes nodes whose pods cannot be what they should be: the node
// itself is named by the ready check, and its symptoms would only hide it.
func working(p Patient) (bool, string) {
	if ok, why := registered(p); !ok {
		return false, why
	}
	return p.Node.Ready(), "the node is not Ready"
}

// both is whether two conditions hold, and the first that does not.
func both(a, b func(Patient) (bool, string)) func(Patient) (bool, string) {
	return func(p Patient) (bool, string) {
		if ok, why := a(p); !ok {
			return false, why
		}
		return b(p)
	}
}

func pooled(p Patient) (bool, string) {
	return p.Pool != nil, "the node belongs to no node pool"
}
