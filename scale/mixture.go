package scale

import (
	"sort"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/scale/choose"
	"github.com/tidemill/tidemill/scale/fit"
)

// mixable bounds the arithmetic: classes times kinds that are asked about. Many
// kinds cost less than many classes, which are sorted for each node that is
// planned: up to fewClasses there may be five times as much.
const (
	mixable    = 20_000
	fewClasses = 1_000
)

func tooMuch(classes, kinds int) bool {
	if classes <= fewClasses {
		return classes*kinds > 5*mixable
	}
	return classes*kinds > mixable
}

// mix grows the pools as package choose finds cheapest for all pods together.
// What it leaves, pods whose affinity or spread the arithmetic knows nothing of,
// is for grow.
func (d *decision) mix(pods []*waiting, lastResort bool) []*waiting {
	kinds := d.kinds()
	if d.unmixed || len(d.chain) == 0 || d.chain[0].String() != choose.LeastCost || len(kinds) == 0 || len(kinds) == 1 && len(kinds[0].pools) == 1 {
		return pods
	}
	classes := classify(pods)
	if tooMuch(len(classes), len(kinds)) {
		return pods
	}
	resources := resourcesOf(kinds)
	table := make([]choose.Class, len(classes))
	for i, c := range classes {
		table[i] = choose.Class{Count: len(c), Want: vector(c[0].want, resources, 1), Fits: make([]bool, len(kinds))}
	}
	list := make([]choose.Kind, len(kinds))
	for k, kind := range kinds {
		list[k] = d.tryKind(kind, classes, table, k, resources, lastResort)
	}
	d.mixed = true
	m := choose.Mix(table, list)
	for k, kind := range kinds {
		for i, offered := range kind.share(m.Loads(k), classes, d.p.Balance) {
			p := kind.pools[i]
			if len(offered) == 0 || p.room() == 0 {
				continue
			}
			if o := d.pack(p, offered); len(o.pods) > 0 {
				pods = d.commit(o, pods)
			}
		}
	}
	return pods
}

// kind is pools whose new nodes are alike and cost the same.
type kind struct {
	pools []*pool
	cost  float64
}

// kinds groups the pools that can grow. Of pools with several zones each counts
// as one: the cloud picks.
func (d *decision) kinds() []*kind {
	var out []*kind
	in := map[*pool]bool{}
	var options []choose.Option
	for _, p := range d.pools {
		if p.room() == 0 || in[p] || p.template("") == nil {
			continue
		}
		k := &kind{pools: d.peers(p)}
		for _, q := range k.pools {
			in[q] = true
		}
		cores, gib, gpus := weights(p.template("").Status.Allocatable)
		options = append(options, choose.Option{CPU: cores, Memory: gib, GPUs: gpus, Price: p.price("")})
		out = append(out, k)
	}
	cost := choose.Costs(options)
	for i, k := range out {
		k.cost = max(1e-6, cost(&options[i]))
	}
	return out
}

// tryKind asks the scheduler's rules about an empty new node of the kind for one
// pod of each class, and says what the node has left for pods.
func (d *decision) tryKind(k *kind, classes [][]*waiting, table []choose.Class, at int, resources []corev1.ResourceName, lastResort bool) choose.Kind {
	p := k.pools[0]
	d.sim.Fork()
	defer d.sim.Revert()
	var names []string
	for _, q := range k.pools {
		for _, zone := range q.places {
			names = append(names, d.addNew(q, q.template(zone), ""))
		}
		if len(names) >= 6 {
			break // like pools: their zones are seen by now
		}
	}
	onlyGPUs := !lastResort && gpus(p.template("").Status.Allocatable)
	for i, c := range classes {
		if onlyGPUs && !c[0].accelerated() {
			continue
		}
		_, table[i].Fits[at] = d.fitsAny(c[0], names)
	}
	have := vector(d.sim.Node(names[0]).Status.Allocatable, resources, 0)
	for _, daemon := range d.sim.Pods(names[0]) {
		for r, want := range vector(requests(daemon), resources, 1) {
			have[r] -= want
		}
	}
	out := choose.Kind{Have: have, Cost: k.cost, Priority: p.spec.Priority}
	for _, q := range k.pools {
		out.Room += q.room()
	}
	return out
}

// share gives the loads of the kind's nodes to its pools, so that these end
// about as large, or the first is filled up before the next: for each pool its
// pods, in the order of the nodes. It takes them off the classes.
func (k *kind) share(loads [][]int, classes [][]*waiting, balance bool) [][]*waiting {
	sizes, rooms := make([]int, len(k.pools)), make([]int, len(k.pools))
	for i, p := range k.pools {
		sizes[i], rooms[i] = p.size, p.room()
	}
	out := make([][]*waiting, len(k.pools))
	at := 0
	if !balance {
		for i := range sizes {
			sizes[i] = i * len(loads)
		}
	}
	for i, n := range choose.Balance(sizes, rooms, len(loads)) {
		for _, load := range loads[at : at+n] {
			for class, count := range load {
				out[i] = append(out[i], classes[class][:count]...)
				classes[class] = classes[class][count:]
			}
		}
		at += n
	}
	return out
}

// classify groups pods that are alike in all that decides where they may run
// and how much they take, in the order of the first of each.
func classify(pods []*waiting) [][]*waiting {
	at := map[*fit.Class]int{}
	var out [][]*waiting
	for _, w := range pods {
		i, ok := at[w.class]
		if !ok {
			i = len(out)
			at[w.class] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], w)
	}
	return out
}

// resourcesOf are the names that any kind has, in order, with the number of
// pods first.
func resourcesOf(kinds []*kind) []corev1.ResourceName {
	out := []corev1.ResourceName{corev1.ResourcePods, corev1.ResourceCPU, corev1.ResourceMemory}
	seen := map[corev1.ResourceName]bool{out[0]: true, out[1]: true, out[2]: true}
	var more []corev1.ResourceName
	for _, k := range kinds {
		for name := range k.pools[0].template("").Status.Allocatable {
			if !seen[name] {
				seen[name] = true
				more = append(more, name)
			}
		}
	}
	sort.Slice(more, func(i, j int) bool { return more[i] < more[j] })
	return append(out, more...)
}

// vector is the list by resource; pods is what it counts as a number of pods,
// 0 for a node, whose list says.
func vector(list corev1.ResourceList, resources []corev1.ResourceName, pods float64) []float64 {
	out := make([]float64, len(resources))
	for i, name := range resources {
		if q, ok := list[name]; ok {
			out[i] = q.AsApproximateFloat64()
		}
		if i == 0 && pods > 0 {
			out[i] = pods
		}
	}
	return out
}
