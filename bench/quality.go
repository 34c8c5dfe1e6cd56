package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	engine "github.com/tidemill/tidemill/scale"
	pick "github.com/tidemill/tidemill/scale/choose"
)

// qualities are the workloads that measure how good a plan is, not how fast it
// is made. What is printed is the plan of the whole engine, with the scheduler's
// rules, not what the arithmetic proposed.
//
//	nodes count                  that the plan adds
//	cost $/h                     of them by list price
//	cost_over_bound percent      above the linear program's optimum, in which
//	                             nodes and pods may be cut to pieces
//	price_expander_over_bound percent, least_waste_over_bound percent
//	                             the same for these expanders
func qualities() []workload {
	run := func(f func() *worldtest.World) func(context.Context, *bench, string) error {
		return func(_ context.Context, b *bench, name string) error { return b.quality(name, f().Snapshot()) }
	}
	return []workload{
		{"cost/services", "600 pods of thirty services, seven flexible shapes at list price", run(services)},
		{"cost/two-sided", "pods that want cores and pods that want memory", run(twoSided)},
		{"cost/batch", "2,000 like pods of a job, seven shapes", run(batch)},
		{"cost/arm", "services, two thirds of which run on Arm as well", run(arm)},
		{"cost/preemptible", "services, half of which tolerate preemption", run(preemptible)},
		{"cost/accelerators", "pods with GPUs among services", run(accelerated)},
		{"cost/mixed", "5,000 pods of 400 shapes: plain, spread, together, apart; the bound knows of none of that", run(func() *worldtest.World { return mixed(5_000, 400) })},
		{"cost/services/karpenter", "Karpenter's scheduler on the pods and machines of cost/services", peerKarpenter("cost/services", services)},
		{"cost/two-sided/karpenter", "the same with cost/two-sided", peerKarpenter("cost/two-sided", twoSided)},
		{"cost/batch/karpenter", "the same with cost/batch", peerKarpenter("cost/batch", batch)},
	}
}

// List prices of Oracle's flexible shapes, US dollars an hour: an OCPU of E5 is
// two vCPUs, one of A1 one; preemptible machines cost half.
const (
	e5VCPU, e5GiB = 0.015, 0.002
	a1VCPU, a1GiB = 0.01, 0.0015
)

// shelf adds pools of seven sizes; a node keeps something for itself.
func shelf(w *worldtest.World, prefix string, vcpu, gib, share float64, change func(*corev1.Node)) {
	for _, s := range []struct{ cores, memory int }{{2, 8}, {4, 16}, {8, 32}, {16, 64}, {4, 64}, {8, 128}, {16, 32}} {
		p := w.AddPool(fmt.Sprintf("%s-%02dx%03d", prefix, s.cores, s.memory), fmt.Sprintf("%dm", 1000*s.cores-150), fmt.Sprintf("%dMi", 1024*s.memory*93/100-700), worldtest.Scale(0, 2000))
		p.Placements[0].Price = share * (vcpu*float64(s.cores) + gib*float64(s.memory))
		change(&p.Placements[0].Template)
	}
}

func plainShelf(w *worldtest.World) {
	shelf(w, "e5", e5VCPU, e5GiB, 1, func(*corev1.Node) {})
}

// service adds replicas of a service whose size chance draws: small ones are
// many, as they are in clusters.
func service(w *worldtest.World, rng *rand.Rand, name string, replicas int, opts ...func(*corev1.Pod)) {
	cpu := 50 * (1 + rng.IntN(8)) << rng.IntN(4)
	memory := 128 * (1 + rng.IntN(6)) << rng.IntN(5)
	opts = append(opts, worldtest.OwnedBy("ReplicaSet", name), worldtest.Labels[*corev1.Pod]("app", name))
	for i := range replicas {
		w.AddPod(fmt.Sprintf("%s-%03d", name, i), fmt.Sprintf("%dm", cpu), fmt.Sprintf("%dMi", memory), opts...)
	}
}

func services() *worldtest.World {
	w, rng := worldtest.New(), rand.New(rand.NewPCG(3, 1))
	plainShelf(w)
	for i := range 30 {
		service(w, rng, fmt.Sprintf("svc-%02d", i), 20)
	}
	return w
}

func twoSided() *worldtest.World {
	w := worldtest.New()
	plainShelf(w)
	for i := range 300 {
		w.AddPod(fmt.Sprintf("brawn-%03d", i), "1500m", "512Mi", worldtest.OwnedBy("ReplicaSet", "brawn"))
		w.AddPod(fmt.Sprintf("brain-%03d", i), "200m", "6Gi", worldtest.OwnedBy("ReplicaSet", "brain"))
	}
	return w
}

func batch() *worldtest.World {
	w := worldtest.New()
	plainShelf(w)
	for i := range 2000 {
		w.AddPod(fmt.Sprintf("job-%04d", i), "450m", "1700Mi", worldtest.OwnedBy("Job", "job"))
	}
	return w
}

// on is a selector of the architecture.
func on(arch string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelArchStable: arch} }
}

func arm() *worldtest.World {
	w, rng := worldtest.New(), rand.New(rand.NewPCG(5, 1))
	plainShelf(w)
	shelf(w, "a1", a1VCPU, a1GiB, 1, func(n *corev1.Node) { n.Labels[corev1.LabelArchStable] = "arm64" })
	for i := range 30 {
		var opts []func(*corev1.Pod)
		if i%3 == 0 {
			opts = append(opts, on("amd64"))
		}
		service(w, rng, fmt.Sprintf("svc-%02d", i), 20, opts...)
	}
	return w
}

func preemptible() *worldtest.World {
	const key = "oci.oraclecloud.com/oke-is-preemptible"
	w, rng := worldtest.New(), rand.New(rand.NewPCG(7, 1))
	plainShelf(w)
	shelf(w, "spot", e5VCPU, e5GiB, 0.5, func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	})
	for i := range 30 {
		var opts []func(*corev1.Pod)
		if i%2 == 0 {
			opts = append(opts, func(p *corev1.Pod) {
				p.Spec.Tolerations = []corev1.Toleration{{Key: key, Operator: corev1.TolerationOpExists}}
			})
		}
		service(w, rng, fmt.Sprintf("svc-%02d", i), 20, opts...)
	}
	return w
}

func accelerated() *worldtest.World {
	w, rng := worldtest.New(), rand.New(rand.NewPCG(9, 1))
	plainShelf(w)
	for _, gpus := range []int{1, 2, 4} {
		p := w.AddPool(fmt.Sprintf("gpu-%d", gpus), fmt.Sprint(15*gpus), fmt.Sprintf("%dGi", 220*gpus), worldtest.Scale(0, 100))
		p.Placements[0].Price = 2 * float64(gpus)
		p.Placements[0].Template.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse(fmt.Sprint(gpus))
	}
	for i := range 20 {
		service(w, rng, fmt.Sprintf("svc-%02d", i), 20)
	}
	for i := range 24 {
		w.AddPod(fmt.Sprintf("train-%02d", i), "6", "60Gi", worldtest.OwnedBy("Job", "train"), worldtest.Requests("nvidia.com/gpu", "1"))
	}
	return w
}

// quality plans with each expander and compares with the bound.
func (b *bench) quality(name string, s *world.Snapshot) error {
	low, err := lowerBound(s)
	if err != nil {
		return err
	}
	for _, e := range []struct{ expander, metric string }{
		{pick.LeastCost, "cost_over_bound"}, {"price", "price_expander_over_bound"}, {"least-waste", "least_waste_over_bound"},
	} {
		plan, err := engine.Decide(s, engine.Policy{Expander: e.expander, MaxGrowth: noFuse.MaxGrowth})
		if err != nil {
			return err
		}
		nodes, cost, err := sum(s, plan)
		if err != nil {
			return err
		}
		if e.expander == pick.LeastCost {
			b.figure(name, "nodes", fmt.Sprint(nodes), "count")
			b.figure(name, "cost", fmt.Sprintf("%.3f", cost), "$/h")
		}
		b.figure(name, e.metric, fmt.Sprintf("%.1f", 100*(cost/low-1)), "percent")
	}
	return nil
}

// bill is what a plan adds, and what that costs.
func bill(s *world.Snapshot, plan engine.Plan) (nodes int, cost float64) {
	price := map[string]float64{}
	for _, p := range s.Pools {
		price[p.Name] = p.Cloud.Placements[0].Price
	}
	for _, g := range plan.Grows {
		nodes += g.To - g.From
		cost += float64(g.To-g.From) * price[g.Pool]
	}
	return nodes, cost
}

// sum is the bill. A plan that leaves a pod is cheap for the wrong reason.
func sum(s *world.Snapshot, plan engine.Plan) (nodes int, cost float64, err error) {
	nodes, cost = bill(s, plan)
	for _, v := range plan.Verdicts {
		if v.Help == engine.HelpNone {
			return 0, 0, fmt.Errorf("plan: %s", v)
		}
	}
	return nodes, cost, nil
}

// lowerBound is the least that any plan can cost. It reads the world by itself:
// a mistake in the engine's own classes would else hide in its bound.
func lowerBound(s *world.Snapshot) (float64, error) {
	names := []corev1.ResourceName{corev1.ResourcePods, corev1.ResourceCPU, corev1.ResourceMemory, "nvidia.com/gpu"}
	amounts := func(list corev1.ResourceList) []float64 {
		out := make([]float64, len(names))
		for i, n := range names {
			q := list[n]
			out[i] = q.AsApproximateFloat64()
		}
		return out
	}
	var kinds []pick.Kind
	for _, p := range s.Pools {
		pl := &p.Cloud.Placements[0]
		kinds = append(kinds, pick.Kind{Have: amounts(pl.Template.Status.Allocatable), Cost: pl.Price, Room: int(p.ScaleSpec().MaxSize)})
	}
	at := map[string]int{}
	var classes []pick.Class
	for _, pod := range s.Pending {
		if len(pod.OwnerReferences) == 0 {
			return 0, fmt.Errorf("bound: pod %s has no owner to be of a class with", pod.Name)
		}
		owner := pod.OwnerReferences[0].Name
		i, ok := at[owner]
		if !ok {
			i = len(classes)
			at[owner] = i
			c := pick.Class{Want: amounts(pod.Spec.Containers[0].Resources.Requests)}
			c.Want[0] = 1
			for _, p := range s.Pools {
				c.Fits = append(c.Fits, mayRun(pod, &p.Cloud.Placements[0].Template))
			}
			classes = append(classes, c)
		}
		classes[i].Count++
	}
	low, _, ok := pick.Bound(classes, kinds)
	if !ok {
		return 0, fmt.Errorf("bound: the linear program was not solved for %d classes and %d kinds", len(classes), len(kinds))
	}
	return low, nil
}

// mayRun knows the rules that these worlds use: one selector, one taint.
func mayRun(pod *corev1.Pod, n *corev1.Node) bool {
	for k, v := range pod.Spec.NodeSelector {
		if n.Labels[k] != v {
			return false
		}
	}
	return len(n.Spec.Taints) == 0 || len(pod.Spec.Tolerations) > 0
}
