package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/playground"
)

// A trouble is one kind of thing that happens in a soak. begin does it and says
// what it did; undo, if not nil, ends it after long.
type trouble struct {
	kind   string
	weight int
	// alone is a group of which one lasts at a time.
	alone string
	// rest is how long the group rests after one.
	rest time.Duration
	// least and most are how long it lasts.
	least, most time.Duration
	// deadly ends a leader when it lasts: the Lease is lost, and the process goes.
	deadly bool
	begin  func(ctx context.Context, k *soak) (say string, undo func(context.Context) error, err error)
}

// nothing is a trouble that found nobody to strike.
const nothing = ""

// troubles are all of them. The weights are parts of their sum.
var troubles = []trouble{
	// the load
	{"load", 14, "load", 0, 0, 0, false, changeLoad},
	// the cloud's answers
	{"cloud answers", 8, "cloud", 2 * time.Second, 5 * time.Second, 25 * time.Second, false, badAnswers},
	{"cloud refuses", 2, "cloud", 5 * time.Second, 5 * time.Second, 15 * time.Second, false, refusals},
	// the cloud's machines
	{"launches fail", 5, "launch", 5 * time.Second, 10 * time.Second, 40 * time.Second, false, badLaunches},
	{"no capacity", 3, "launch", 5 * time.Second, 15 * time.Second, 60 * time.Second, false, noCapacity},
	{"joins refused", 2, "launch", 30 * time.Second, 10 * time.Second, 30 * time.Second, false, refuseJoins},
	{"termination fails", 2, "", 0, 20 * time.Second, 40 * time.Second, false, badTermination},
	{"machine lost", 2, "machine", 45 * time.Second, 0, 0, false, loseMachine},
	{"console delete", 1, "machine", 45 * time.Second, 0, 0, false, consoleDelete},
	{"reconcile", 3, "", 0, 0, 0, false, reconcile},
	// nodes
	{"node fault", 6, "node", 10 * time.Second, 10 * time.Second, 70 * time.Second, false, nodeFault},
	// the control plane
	{"API restart", 1, "control", 4 * time.Minute, 0, 0, true, restartAPI},
	{"API outage", 1, "control", 2 * time.Minute, time.Second, 14 * time.Second, true, outage},
	{"etcd slow", 2, "control", 30 * time.Second, 5 * time.Second, 30 * time.Second, false, slowEtcd},
	{"etcd stuck", 1, "control", time.Minute, 500 * time.Millisecond, 4 * time.Second, false, stuckEtcd},
	// the network of one replica
	{"cut from API", 3, "network", 20 * time.Second, 2 * time.Second, 30 * time.Second, true, cutAPI},
	{"cut from cloud", 3, "network", 20 * time.Second, 2 * time.Second, 30 * time.Second, false, cutCloud},
	// the daemon
	{"killed", 4, "daemon", 50 * time.Second, 500 * time.Millisecond, 10 * time.Second, false, kill},
	{"terminated", 2, "daemon", 50 * time.Second, 500 * time.Millisecond, 5 * time.Second, false, terminate},
	{"frozen", 2, "daemon", 50 * time.Second, 2 * time.Second, 40 * time.Second, false, freeze},
	// people
	{"cycle", 5, "cycle", 50 * time.Second, 0, 0, false, askCycle},
	{"cycle node", 2, "cycle", 30 * time.Second, 0, 0, false, askNode},
	{"upgrade", 1, "cycle", 4 * time.Minute, 0, 0, false, askUpgrade},
	{"pause", 2, "pause", 20 * time.Second, 5 * time.Second, 40 * time.Second, false, pause},
	{"abort", 1, "", 0, 0, 0, false, abort},
	{"edit", 4, "", 0, 0, 0, false, edit},
	{"cordon", 2, "person", 20 * time.Second, 10 * time.Second, 60 * time.Second, false, cordonByHand},
	{"delete object", 2, "", 0, 0, 0, false, deleteOurs},
}

// pick is one of a list.
func pick[T any](dice *rand.Rand, list []T) T { return list[dice.IntN(len(list))] }

func (k *soak) pool() okesim.PoolView { return pick(k.dice, k.env.Sim.Pools()) }

func changeLoad(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	w := pick(k.dice, k.elastic)
	n := k.dice.Int32N(w.Replicas + 1)
	return fmt.Sprintf("%s %d", w.Name, n), nil, k.scaleLoad(ctx, w.Name, n)
}

func (k *soak) scaleLoad(ctx context.Context, name string, n int32) error {
	var d appsv1.Deployment
	if err := k.env.Client.Get(ctx, client.ObjectKey{Namespace: shop, Name: name}, &d); err != nil {
		return err
	}
	return k.env.Client.Patch(ctx, &d, client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)))
}

// operations are what the daemon asks of the cloud.
var operations = []string{"*", "*", "ListNodePools", "GetNodePool", "ListInstances", "UpdateNodePool", "DeleteNode", "GetWorkRequest", "ListWorkRequests"}

func badAnswers(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	op := pick(k.dice, operations)
	kinds := []struct {
		say   string
		fault okesim.HTTPFault
	}{
		{"500", okesim.HTTPFault{Status: 500}}, {"502", okesim.HTTPFault{Status: 502}}, {"503", okesim.HTTPFault{Status: 503}},
		{"429", okesim.HTTPFault{Status: 429, RetryAfter: time.Second}}, {"409", okesim.HTTPFault{Status: 409, Code: "IncorrectState"}},
		{"412", okesim.HTTPFault{Status: 412}}, {"401", okesim.HTTPFault{Status: 401}},
		{"lost", okesim.HTTPFault{Lost: true}}, {"done but dropped", okesim.HTTPFault{Drop: true}}, {"cut in half", okesim.HTTPFault{Truncate: true}},
		{"stale", okesim.HTTPFault{Stale: true}}, {"late", okesim.HTTPFault{Delay: 4 * time.Second}},
	}
	kind := pick(k.dice, kinds)
	kind.fault.Chance = pick(k.dice, []float64{.2, .5, 0})
	k.env.Sim.FailNext(op, -1, kind.fault)
	undo := func(context.Context) error { k.env.Sim.ClearFaults(""); return nil }
	return fmt.Sprintf("%s: %s, chance %g", op, kind.say, kind.fault.Chance), undo, nil
}

func refusals(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	op, status := pick(k.dice, operations[2:]), pick(k.dice, []int{403, 404})
	k.env.Sim.Refuse(op, status)
	return fmt.Sprintf("%s: %d", op, status), func(context.Context) error { k.env.Sim.Refuse(op, 0); return nil }, nil
}

func badLaunches(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	p, f, n := k.pool(), pick(k.dice, okesim.LaunchFaults()), 1+k.dice.IntN(3)
	k.env.Sim.BreakLaunches(p.ID, n, f)
	return fmt.Sprintf("%d of %s: %s", n, p.Name, f), func(context.Context) error { k.env.Sim.BreakLaunches(p.ID, 0, f); return nil }, nil
}

func noCapacity(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	place := pick(k.dice, p.Placements)
	k.env.Sim.SetCapacity(p.Shape, place.AD, 0)
	return fmt.Sprintf("%s in %s", p.Shape, place.AD), func(context.Context) error { k.env.Sim.SetCapacity(p.Shape, place.AD, -1); return nil }, nil
}

func refuseJoins(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	k.env.Cluster.RefuseJoins(p.ID, true)
	return p.Name, func(context.Context) error { k.env.Cluster.RefuseJoins(p.ID, false); return nil }, nil
}

func badTermination(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	k.env.Sim.BreakTerminations(p.ID, 1)
	return p.Name, func(context.Context) error { k.env.Sim.BreakTerminations(p.ID, 0); return nil }, nil
}

// victim is a node that does not carry what the client outside asks: what dies with
// its node is not tidemill's doing, and would only hide what is.
func (k *soak) victim(ctx context.Context) (*corev1.Node, error) {
	var nodes corev1.NodeList
	var pods corev1.PodList
	if err := k.env.Client.List(ctx, &nodes); err != nil {
		return nil, err
	}
	if err := k.env.Client.List(ctx, &pods, client.InNamespace(shop), client.MatchingLabels{"app": k.served.Name}); err != nil {
		return nil, err
	}
	serving := map[string]bool{}
	for _, p := range pods.Items {
		serving[p.Spec.NodeName] = true
	}
	list := slices.DeleteFunc(nodes.Items, func(n corev1.Node) bool {
		return serving[n.Name] || n.Spec.ProviderID == "" || k.people[n.Name] || time.Since(n.CreationTimestamp.Time) < 5*time.Second
	})
	if len(list) == 0 {
		return nil, nil
	}
	n := pick(k.dice, list)
	return &n, nil
}

func loseMachine(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	n, err := k.victim(ctx)
	if n == nil {
		return nothing, nil, err
	}
	k.judge.excuse(n.Spec.ProviderID, ", lost")
	k.env.Sim.KillInstance(n.Spec.ProviderID)
	return n.Name, nil, nil
}

func consoleDelete(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	n, err := k.victim(ctx)
	if n == nil {
		return nothing, nil, err
	}
	k.judge.excuse(n.Spec.ProviderID, ", by a person in the console")
	// The person leaves the size as it is: OKE makes another.
	_, err = k.env.Sim.DeleteNode(n.Annotations[v1alpha1.AnnotationNodePoolID], n.Spec.ProviderID, false, "")
	if err != nil {
		return "refused: " + err.Error(), nil, nil
	}
	return n.Name, nil, nil
}

func reconcile(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	if _, err := k.env.Sim.Reconcile(p.ID); err != nil {
		return p.Name + " refused: " + err.Error(), nil, nil
	}
	return p.Name, nil, nil
}

func nodeFault(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	n, err := k.victim(ctx)
	if n == nil {
		return nothing, nil, err
	}
	f := pick(k.dice, playground.Faults())
	heal := func(ctx context.Context) error { return client.IgnoreNotFound(k.env.Cluster.Heal(ctx, n.Name, f)) }
	return n.Name + ": " + f.String(), heal, client.IgnoreNotFound(k.env.Cluster.Fault(ctx, n.Name, f))
}

func restartAPI(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	down := time.Duration(k.dice.Int64N(int64(3 * time.Second)))
	k.blind(time.Minute)
	begin := time.Now()
	err := k.env.Cluster.RestartAPI(ctx, down)
	return fmt.Sprintf("away for %.1f s", time.Since(begin).Seconds()), nil, err
}

func outage(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	k.blind(45 * time.Second)
	k.env.Cluster.Outage(true)
	return "for all", func(context.Context) error { k.env.Cluster.Outage(false); k.blind(45 * time.Second); return nil }, nil
}

func slowEtcd(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	d := time.Duration(5+k.dice.IntN(60)) * time.Millisecond
	k.blind(75 * time.Second)
	k.env.Cluster.EtcdDoor().Slow(d)
	return d.String(), func(context.Context) error { k.env.Cluster.EtcdDoor().Slow(0); return nil }, nil
}

func stuckEtcd(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	k.blind(45 * time.Second)
	k.env.Cluster.EtcdDoor().Turn(playground.DoorSilent)
	return "", func(context.Context) error { k.env.Cluster.EtcdDoor().Turn(playground.DoorPass); return nil }, nil
}

func cutAPI(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	r := pick(k.dice, k.replicas)
	return k.cut(r.name, r.api)
}

func cutCloud(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	r := pick(k.dice, k.replicas)
	return k.cut(r.name, r.cloud)
}

func (k *soak) cut(who string, d *playground.Door) (string, func(context.Context) error, error) {
	undo := func(context.Context) error { d.Slow(0); d.Turn(playground.DoorPass); return nil }
	switch how := pick(k.dice, []string{"refused", "silent", "slow", "reset"}); how {
	case "refused":
		d.Turn(playground.DoorRefuse)
		return who + ": " + how, undo, nil
	case "silent":
		d.Turn(playground.DoorSilent)
		return who + ": " + how, undo, nil
	case "slow":
		d.Slow(time.Duration(50+k.dice.IntN(700)) * time.Millisecond)
		return who + ": " + how, undo, nil
	default:
		d.Cut()
		return who + ": " + how, nil, nil
	}
}

func kill(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	r := pick(k.dice, k.replicas)
	err := r.daemon.Kill()
	return r.name, func(context.Context) error { return r.start() }, err
}

func terminate(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	r := pick(k.dice, k.replicas)
	begin := time.Now()
	if err := r.daemon.end(syscall.SIGTERM, 25*time.Second); err != nil {
		k.judge.accuse("ends when asked", "replica %s: %v", r.name, err)
		return r.name, func(context.Context) error { return r.start() }, r.daemon.Kill()
	}
	return fmt.Sprintf("%s, in %.1f s", r.name, time.Since(begin).Seconds()), func(context.Context) error { return r.start() }, nil
}

func freeze(_ context.Context, k *soak) (string, func(context.Context) error, error) {
	r := pick(k.dice, k.replicas)
	return r.name, func(context.Context) error { return r.freeze(false) }, r.freeze(true)
}

func askCycle(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	k.asked++
	return p.Name, nil, client.IgnoreNotFound(k.env.Annotate(ctx, p.Name, v1alpha1.AnnotationCycle, fmt.Sprintf("soak-%d", k.asked)))
}

func askNode(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	n, err := k.victim(ctx)
	if n == nil {
		return nothing, nil, err
	}
	k.asked++
	return n.Name, nil, client.IgnoreNotFound(k.patchNode(ctx, n.Name, fmt.Sprintf(`{"metadata":{"annotations":{%q:"soak-%d"}}}`, v1alpha1.AnnotationCycle, k.asked)))
}

func askUpgrade(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	next := map[string]string{playground.DemoVersion: firstUpgrade, firstUpgrade: secondUpgrade}[p.KubernetesVersion]
	if next == "" {
		return nothing, nil, nil
	}
	return p.Name + " to " + next, nil, client.IgnoreNotFound(k.env.Annotate(ctx, p.Name, v1alpha1.AnnotationUpgradeTo, next))
}

func pause(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	resume := func(ctx context.Context) error {
		return client.IgnoreNotFound(k.unannotate(ctx, p.Name, v1alpha1.AnnotationPause))
	}
	return p.Name, resume, client.IgnoreNotFound(k.env.Annotate(ctx, p.Name, v1alpha1.AnnotationPause, "true"))
}

func (k *soak) unannotate(ctx context.Context, pool, key string) error {
	return k.env.ChangePool(ctx, pool, func(p *v1alpha1.Pool) { delete(p.Annotations, key) })
}

func abort(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	k.asked++
	return p.Name, nil, client.IgnoreNotFound(k.env.Annotate(ctx, p.Name, v1alpha1.AnnotationAbort, fmt.Sprintf("soak-%d", k.asked)))
}

// edit changes a policy in a way that the bounds of the judge allow.
func edit(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	p := k.pool()
	surge, priority, idle := 1+k.dice.IntN(soakSurge), k.dice.Int32N(3), time.Duration(5+k.dice.IntN(20))*time.Second
	say := fmt.Sprintf("%s: surge %d, priority %d, unneeded for %s", p.Name, surge, priority, idle)
	return say, nil, client.IgnoreNotFound(k.env.ChangePool(ctx, p.Name, func(o *v1alpha1.Pool) {
		if o.Spec.Cycle == nil || o.Spec.Scale == nil {
			return // deleted a moment ago
		}
		n := intstr.FromInt(surge)
		o.Spec.Cycle.MaxSurge, o.Spec.Scale.Priority = &n, priority
		o.Spec.Scale.Down.UnneededFor = &metav1.Duration{Duration: idle}
	}))
}

func (k *soak) patchNode(ctx context.Context, name, patch string) error {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	return k.env.Client.Patch(ctx, n, client.RawPatch("application/strategic-merge-patch+json", []byte(patch)))
}

// cordonByHand is a person who looks at a node and keeps it to himself.
func cordonByHand(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	n, err := k.victim(ctx)
	if n == nil || n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationDisruption] != "" {
		return nothing, nil, err
	}
	if err := k.patchNode(ctx, n.Name, `{"spec":{"unschedulable":true}}`); err != nil {
		return nothing, nil, client.IgnoreNotFound(err)
	}
	k.people[n.Name] = true
	k.judge.person(n.Name, true)
	return n.Name, func(ctx context.Context) error {
		k.judge.person(n.Name, false)
		delete(k.people, n.Name)
		var now corev1.Node
		if err := k.env.Client.Get(ctx, client.ObjectKey{Name: n.Name}, &now); err != nil || now.UID != n.UID || now.Annotations[v1alpha1.AnnotationDisruption] != "" {
			return client.IgnoreNotFound(err) // it is on its way out by now: the person lets it go
		}
		return client.IgnoreNotFound(k.patchNode(ctx, n.Name, `{"spec":{"unschedulable":false}}`))
	}, nil
}

// deleteOurs deletes what is tidemill's, in the middle of whatever it does.
func deleteOurs(ctx context.Context, k *soak) (string, func(context.Context) error, error) {
	kinds := []string{"Lease", "ConfigMap", "status", "Pool"}
	if k.spared() {
		kinds = kinds[1:] // whoever makes the Lease anew leads, and the other ends
	}
	switch what := pick(k.dice, kinds); what {
	case "Lease":
		l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tidemill"}}
		return what, nil, client.IgnoreNotFound(k.env.Client.Delete(ctx, l))
	case "ConfigMap":
		c := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cluster-autoscaler-status"}}
		return what, nil, client.IgnoreNotFound(k.env.Client.Delete(ctx, c))
	case "status":
		p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: k.pool().Name}}
		return what + " of " + p.Name, nil, client.IgnoreNotFound(k.env.Client.Status().Patch(ctx, p, client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`))))
	default:
		p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: k.pool().Name}}
		return what + " " + p.Name, nil, client.IgnoreNotFound(k.env.Client.Delete(ctx, p))
	}
}
