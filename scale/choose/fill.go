package choose

import (
	"math"
	"slices"
	"sort"
)

// A filler puts pods on one empty node of a kind: how many of each class, of
// those that are left.
type filler func(f *filling, kind int, left []int, worth []float64) []int

// plan is one greedy plan; see [Mix].
func (f *filling) plan(left []int, worth []float64, fill filler) []run {
	left = slices.Clone(left)
	room := make([]int, len(f.kinds))
	for k := range f.kinds {
		room[k] = f.kinds[k].Room
	}
	return f.extend(nil, left, room, worth, fill)
}

// extend adds runs until nothing is left or no kind has room.
func (f *filling) extend(runs []run, left, room []int, worth []float64, fill filler) []run {
	// A filled node stays the best its kind can do until a class that is on it
	// runs short.
	memo := make([][]int, len(f.kinds))
	for {
		best, at := 0.0, -1
		for k := range f.kinds {
			if room[k] == 0 {
				continue
			}
			if memo[k] == nil {
				memo[k] = fill(f, k, left, worth)
			}
			value := 0.0
			for i, n := range memo[k] {
				value += float64(n) * worth[i]
			}
			if v := value / f.kinds[k].Cost; v > best*(1+tiny) {
				best, at = v, k
			}
		}
		if at < 0 {
			return runs
		}
		r := run{kind: at, nodes: room[at], pods: memo[at]}
		for i, n := range r.pods {
			if n > 0 {
				r.nodes = min(r.nodes, left[i]/n)
			}
		}
		room[at] -= r.nodes
		for i, n := range r.pods {
			left[i] -= n * r.nodes
		}
		runs = append(runs, r)
		for k := range memo {
			if memo[k] != nil && short(memo[k], left) {
				memo[k] = nil
			}
		}
	}
}

func short(pods, left []int) bool {
	for i, n := range pods {
		if n > left[i] {
			return true
		}
	}
	return false
}

// fillers are the ways there are. Which is best depends on the pods: all are
// tried.
var fillers = []filler{inOrder, balanced, byWorth}

// inOrder takes the classes from the largest share of the node to the smallest,
// as many of each as fit: what large ones leave small ones fill.
func inOrder(f *filling, kind int, left []int, _ []float64) []int {
	return f.greedy(kind, left, func(_ int, share float64) float64 { return share })
}

// byWorth takes the classes that give the most worth for their share first.
func byWorth(f *filling, kind int, left []int, worth []float64) []int {
	return f.greedy(kind, left, func(i int, share float64) float64 { return worth[i] / share })
}

// greedy takes as many of each class as fit, those with the highest rank first.
func (f *filling) greedy(kind int, left []int, rank func(class int, share float64) float64) []int {
	order := make([]int, 0, len(left))
	ranks := make([]float64, len(left))
	for i, n := range left {
		if n == 0 || !f.classes[i].Fits[kind] {
			continue
		}
		if share := f.share(i, kind); share > 0 && share <= 1+tiny {
			order, ranks[i] = append(order, i), rank(i, share)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return ranks[order[a]] > ranks[order[b]] })
	free := slices.Clone(f.kinds[kind].Have)
	pods := make([]int, len(left))
	for _, i := range order {
		pods[i] = min(left[i], times(free, f.classes[i].Want))
		take(free, f.classes[i].Want, pods[i])
	}
	return pods
}

// balanced takes one pod after the other: the one with the most worth for what
// it takes of what is scarcest by then. A node that runs out of memory is
// finished with pods that want cores.
func balanced(f *filling, kind int, left []int, worth []float64) []int {
	have := f.kinds[kind].Have
	free := slices.Clone(have)
	pods := make([]int, len(left))
	for {
		best, at := 0.0, -1
		for i, n := range left {
			if n <= pods[i] || !f.classes[i].Fits[kind] || times(free, f.classes[i].Want) == 0 {
				continue
			}
			load := 0.0
			for r, want := range f.classes[i].Want {
				if want > 0 {
					// Of what is half used up the rest counts twice.
					load += want / free[r]
				}
			}
			if v := worth[i] / max(load, tiny); v > best*(1+tiny) {
				best, at = v, i
			}
		}
		if at < 0 {
			return pods
		}
		// A tenth of what fits at one go: a hundred small pods are ten steps.
		n := max(1, times(free, f.classes[at].Want)/10)
		n = min(n, left[at]-pods[at])
		take(free, f.classes[at].Want, n)
		pods[at] += n
	}
}

// times is how often want fits into free.
func times(free, want []float64) int {
	n := math.Inf(1)
	for r, w := range want {
		if w > 0 {
			n = min(n, math.Floor(free[r]/w+tiny))
		}
	}
	if math.IsInf(n, 1) || n < 0 {
		return 0
	}
	return int(n)
}

func take(free, want []float64, n int) {
	for r, w := range want {
		free[r] -= float64(n) * w
	}
}

// again takes that share of the nodes out that gives the least for its cost,
// eight at least, and plans their pods anew, each way of filling and with each
// kind once left out; the best of these, which may be worse than what it began
// with.
func (f *filling) again(runs []run, all []int, part float64) ([]run, bool) {
	kept, loose := f.ruin(runs, part)
	if loose == 0 {
		return nil, false
	}
	left, room := slices.Clone(all), make([]int, len(f.kinds))
	for k := range f.kinds {
		room[k] = f.kinds[k].Room
	}
	for _, r := range kept {
		room[r.kind] -= r.nodes
		for i, n := range r.pods {
			left[i] -= n * r.nodes
		}
	}
	var best []run
	for without := -1; without < min(len(f.kinds), 16); without++ {
		if without >= 0 && room[without] == 0 {
			continue
		}
		for _, fill := range fillers {
			r := slices.Clone(room)
			if without >= 0 {
				r[without] = 0
			}
			plan := f.extend(slices.Clone(kept), slices.Clone(left), r, f.alone, fill)
			if best == nil || f.better(plan, best) {
				best = plan
			}
		}
	}
	return best, true
}

// ruin splits off the nodes with the least worth for their cost.
func (f *filling) ruin(runs []run, part float64) (kept []run, loose int) {
	value := func(r run) float64 {
		v := 0.0
		for i, n := range r.pods {
			v += float64(n) * f.alone[i]
		}
		return v / f.kinds[r.kind].Cost
	}
	kept = slices.Clone(runs)
	sort.SliceStable(kept, func(a, b int) bool { return value(kept[a]) > value(kept[b]) })
	total := 0
	for _, r := range kept {
		total += r.nodes
	}
	want := max(int(part*float64(total)), min(total, 8))
	for want > loose && len(kept) > 0 {
		last := &kept[len(kept)-1]
		n := min(want-loose, last.nodes)
		last.nodes -= n
		loose += n
		if last.nodes == 0 {
			kept = kept[:len(kept)-1]
		}
	}
	return kept, loose
}
