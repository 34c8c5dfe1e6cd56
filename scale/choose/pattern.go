package choose

import (
	"math"
	"slices"
	"sort"
)

// byPatterns plans with linear programming over whole nodes (the column
// generation of Gilmore and Gomory). A pattern is one kind of node with what is
// on it; the program says how many of each are best if nodes could be cut to
// pieces, and what a pod of each class is worth then; with these worths the
// fillers look for patterns that are better still, until they find none. What
// the program wants of a pattern is rounded down, and the pods that this leaves
// are planned greedily.
//
// Patterns know that half a pod helps nobody, which [Bound] does not: with pods
// of half a node or more that is most of the difference.
func (f *filling) byPatterns(seeds []run, left []int) []run {
	known := make([]run, 0, len(seeds))
	for _, r := range seeds {
		known = appendNew(known, r)
	}
	var amount []float64
	for work := 0; work < patternWork; {
		worth, saved, x, ok := f.master(known, left)
		if !ok {
			return nil
		}
		amount = x
		columns := len(f.classes) + len(f.kinds) + len(known)
		work += len(known) * columns * (len(f.classes) + len(known)) / 2
		before := len(known)
		known = f.price(known, left, worth, saved)
		if len(known) == before {
			break
		}
	}
	return f.round(known[:min(len(known), len(amount))], amount, left)
}

// patternWork bounds the multiplications of the linear programs in sum: about
// a tenth of a second.
const patternWork = 60_000_000

func appendNew(known []run, r run) []run {
	for _, k := range known {
		if k.kind == r.kind && slices.Equal(k.pods, r.pods) {
			return known
		}
	}
	return append(known, run{kind: r.kind, pods: r.pods})
}

// master solves the program for the patterns known: the worth of a pod of each
// class, what another node of each kind beyond its room would save, and how
// many nodes of each pattern. Its dual is solved, as in [Bound].
func (f *filling) master(known []run, left []int) (worth, saved, amount []float64, ok bool) {
	n := len(f.classes)
	c := make([]float64, n+len(f.kinds))
	for i := range n {
		c[i] = float64(left[i])
	}
	for k := range f.kinds {
		c[n+k] = -float64(f.kinds[k].Room)
	}
	a, b := make([][]float64, len(known)), make([]float64, len(known))
	for p, r := range known {
		a[p] = make([]float64, len(c))
		for i, count := range r.pods {
			a[p][i] = float64(count)
		}
		a[p][n+r.kind] = -1
		b[p] = f.kinds[r.kind].Cost
	}
	_, x, amount, ok := simplex(a, b, c, pivots)
	if !ok {
		return nil, nil, nil, false
	}
	return x[:n], x[n:], amount, true
}

// price adds the patterns that are worth more than they cost.
func (f *filling) price(known []run, left []int, worth, saved []float64) []run {
	for k := range f.kinds {
		if f.kinds[k].Room == 0 {
			continue
		}
		for _, fill := range []filler{balanced, byWorth, inOrder} {
			r := run{kind: k, pods: fill(f, k, left, worth)}
			value := 0.0
			for i, n := range r.pods {
				value += float64(n) * worth[i]
			}
			if value > (f.kinds[k].Cost+saved[k])*(1+1e-6) {
				known = appendNew(known, r)
			}
		}
	}
	return known
}

// round keeps the whole nodes of each pattern and plans the rest.
func (f *filling) round(known []run, amount []float64, all []int) []run {
	order := make([]int, len(known))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return amount[order[a]] > amount[order[b]] })
	left, room := slices.Clone(all), make([]int, len(f.kinds))
	for k := range f.kinds {
		room[k] = f.kinds[k].Room
	}
	var kept []run
	for _, p := range order {
		r := known[p]
		r.nodes = min(int(math.Floor(amount[p]+1e-6)), room[r.kind])
		for i, n := range r.pods {
			if n > 0 {
				r.nodes = min(r.nodes, left[i]/n)
			}
		}
		if r.nodes <= 0 {
			continue
		}
		kept = append(kept, r)
		room[r.kind] -= r.nodes
		for i, n := range r.pods {
			left[i] -= n * r.nodes
		}
	}
	var best []run
	for _, fill := range fillers {
		plan := f.extend(slices.Clone(kept), slices.Clone(left), slices.Clone(room), f.alone, fill)
		if best == nil || f.better(plan, best) {
			best = plan
		}
	}
	return best
}
