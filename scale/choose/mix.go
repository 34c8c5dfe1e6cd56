package choose

import (
	"math"
	"slices"
)

// Class is pods that are alike in what they ask for and where they may run.
type Class struct {
	Count int
	// Want is what one pod asks for, by resource, in the order of Kind.Have. One
	// of the resources is the number of pods itself.
	Want []float64
	// Fits says of each kind whether a pod may run there at all.
	Fits []bool
}

// Kind is nodes that are alike: those that one pool would get.
type Kind struct {
	// Have is what a new node has left for pods once its DaemonSets run there.
	Have []float64
	// Cost of one node, above 0; see [Costs].
	Cost float64
	// Room is how many nodes may be added.
	Room int
	// Priority: kinds with more of it are used up first, whatever they cost.
	Priority int32
}

// Mixture is a way to help the pods.
type Mixture struct {
	// Nodes is how many of each kind.
	Nodes []int
	// Offers[k][i] is how many pods of class i are to go to kind k.
	Offers [][]int
	// Cost is the sum over the nodes, Left how many pods are not helped.
	Cost float64
	Left int

	runs []run
}

// run is equal nodes, one after the other.
type run struct {
	kind, nodes int
	pods        []int // of each class, on one node
}

// Bounds of the search. Beyond workClasses classes only the plainest plan is
// made: the time is for thousands of shapes better spent on placing them.
const (
	workClasses = 64
	pivots      = 2_000
	rounds      = 8
)

// Mix spreads pods over kinds of nodes for little money. It plans by arithmetic
// on requests, several ways, and returns the cheapest of those that leave the
// fewest pods. The same input gives the same mixture.
//
// Each plan is greedy: of all kinds the one that gives the most worth for its
// cost gets a node, filled as well as it can be; then the same again for as long
// as there are pods to fill such nodes. What a pod is worth is at first what it
// would cost on the kind that is cheapest for it alone, and then, where the
// linear program can be solved, its shadow price there: pods that fill what
// others leave idle are worth less. At last the worst nodes are taken out and
// their pods planned anew.
func Mix(classes []Class, kinds []Kind) Mixture {
	out := newMixture(classes, kinds)
	left := counts(classes)
	for _, tier := range tiers(kinds) {
		m := mixTier(classes, tier, left)
		out.add(m, left)
	}
	out.settle(classes, kinds)
	for _, n := range left {
		out.Left += n
	}
	return out
}

// tiers are the kinds by priority, the highest first; of the others no room is
// left in each.
func tiers(kinds []Kind) [][]Kind {
	var levels []int32
	for i := range kinds {
		if !slices.Contains(levels, kinds[i].Priority) {
			levels = append(levels, kinds[i].Priority)
		}
	}
	slices.SortFunc(levels, func(a, b int32) int { return int(int64(b) - int64(a)) })
	var out [][]Kind
	for _, level := range levels {
		tier := slices.Clone(kinds)
		for i := range tier {
			if tier[i].Priority != level {
				tier[i].Room = 0
			}
		}
		out = append(out, tier)
	}
	return out
}

func mixTier(classes []Class, kinds []Kind, left []int) []run {
	f := &filling{classes: classes, kinds: kinds}
	f.alone = f.aloneWorth()
	best := f.plan(left, f.alone, inOrder)
	try := func(runs []run) {
		if f.better(runs, best) {
			best = runs
		}
	}
	if len(classes) > workClasses {
		return best
	}
	seeds := slices.Clone(best)
	for _, fill := range fillers {
		plan := f.plan(left, f.alone, fill)
		seeds = append(seeds, plan...)
		try(plan)
	}
	if plan := f.byPatterns(seeds, left); plan != nil {
		try(plan)
	}
	for _, part := range []float64{0, 0.1, 0.3} {
		for range rounds {
			again, ok := f.again(best, left, part)
			if !ok || !f.better(again, best) {
				break
			}
			best = again
		}
	}
	return best
}

func newMixture(classes []Class, kinds []Kind) Mixture {
	m := Mixture{Nodes: make([]int, len(kinds)), Offers: make([][]int, len(kinds))}
	for k := range kinds {
		m.Offers[k] = make([]int, len(classes))
	}
	return m
}

func counts(classes []Class) []int {
	left := make([]int, len(classes))
	for i := range classes {
		left[i] = classes[i].Count
	}
	return left
}

// add takes runs over and what they help off left.
func (m *Mixture) add(runs []run, left []int) {
	m.runs = append(m.runs, runs...)
	for _, r := range runs {
		for i, n := range r.pods {
			left[i] -= n * r.nodes
		}
	}
}

func (m *Mixture) settle(classes []Class, kinds []Kind) {
	for _, r := range m.runs {
		m.Nodes[r.kind] += r.nodes
		m.Cost += float64(r.nodes) * kinds[r.kind].Cost
		for i, n := range r.pods {
			m.Offers[r.kind][i] += n * r.nodes
		}
	}
}

// filling is a search under way.
type filling struct {
	classes []Class
	kinds   []Kind
	alone   []float64
}

// share is how much of a node of the kind one pod takes: its largest share of
// any resource, above 1 when it does not fit.
func (f *filling) share(i, k int) float64 {
	s := 0.0
	for r, want := range f.classes[i].Want {
		if want > 0 {
			s = max(s, want/f.kinds[k].Have[r])
		}
	}
	return s
}

// aloneWorth is what a pod of each class costs on a node with none but its like.
func (f *filling) aloneWorth() []float64 {
	out := make([]float64, len(f.classes))
	for i := range f.classes {
		best := math.Inf(1)
		for k := range f.kinds {
			if !f.classes[i].Fits[k] || f.kinds[k].Room == 0 {
				continue
			}
			if s := f.share(i, k); s > 0 && s <= 1 {
				best = min(best, f.kinds[k].Cost/math.Floor(1/s+tiny))
			}
		}
		if !math.IsInf(best, 1) {
			out[i] = best
		}
	}
	return out
}

// better is whether a plan leaves fewer pods, or as many for less money.
func (f *filling) better(a, b []run) bool {
	pa, ca := f.sum(a)
	pb, cb := f.sum(b)
	return pa > pb || pa == pb && ca < cb-tiny
}

func (f *filling) sum(runs []run) (pods int, cost float64) {
	for _, r := range runs {
		cost += float64(r.nodes) * f.kinds[r.kind].Cost
		for _, n := range r.pods {
			pods += n * r.nodes
		}
	}
	return pods, cost
}

// Loads are the nodes of a kind one by one, the fullest first as planned: how
// many pods of each class each is for.
func (m *Mixture) Loads(kind int) [][]int {
	var out [][]int
	for _, r := range m.runs {
		if r.kind == kind {
			for range r.nodes {
				out = append(out, r.pods)
			}
		}
	}
	return out
}
