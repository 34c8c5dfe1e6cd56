package choose

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
)

// Names of the expanders, in the order in which an error lists them.
var names = []string{"least-cost", "priority", "price", "least-waste", "most-pods", "least-nodes", "random"}

// LeastCost is the name of the default: the pools are chosen together by [Mix],
// and what it leaves open by least price for what is asked.
const LeastCost = "least-cost"

// Parse reads a chain as the flag --expander spells it: names with commas
// between them. "priority" takes its rules from priorities, "random" its
// numbers from seed, so that one look is the same however often it is decided.
func Parse(text string, priorities func() Priorities, seed func() uint64) (Chain, error) {
	var c Chain
	seen := map[string]bool{}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		e := expander(name, priorities, seed)
		switch {
		case e == nil:
			return nil, fmt.Errorf("read expanders %q: there is no %q; they are %s", text, name, strings.Join(names, ", "))
		case seen[name]:
			return nil, fmt.Errorf("read expanders %q: %s stands there twice", text, name)
		}
		seen[name] = true
		c = append(c, e)
	}
	return c, nil
}

func expander(name string, priorities func() Priorities, seed func() uint64) Expander {
	switch name {
	case LeastCost:
		return leastCost{}
	case "priority":
		return priority{priorities}
	case "price":
		return price{}
	case "least-waste":
		return leastWaste{}
	case "most-pods":
		return mostPods{}
	case "least-nodes":
		return leastNodes{}
	case "random":
		return random{seed}
	}
	return nil
}

// lowest keeps the candidates with the lowest score. Scores that differ by less
// than rounding does are equal: two like pools must tie.
func lowest(options []Option, candidates []int, score func(*Option) float64) []int {
	best := math.Inf(1)
	for _, i := range candidates {
		best = min(best, score(&options[i]))
	}
	var out []int
	for _, i := range candidates {
		if s := score(&options[i]); s <= best+1e-9*math.Abs(best) || math.IsInf(best, 1) {
			out = append(out, i)
		}
	}
	return out
}

// leastWaste leaves the least idle, as cluster-autoscaler's default does.
type leastWaste struct{}

func (leastWaste) String() string { return "least-waste" }
func (leastWaste) Best(o []Option, c []int) []int {
	return lowest(o, c, func(o *Option) float64 { return o.Waste })
}

// mostPods helps the most pods: good when what they wait for is few nodes.
type mostPods struct{}

func (mostPods) String() string { return "most-pods" }
func (mostPods) Best(o []Option, c []int) []int {
	return lowest(o, c, func(o *Option) float64 { return -float64(o.Pods) })
}

// leastNodes adds the fewest nodes.
type leastNodes struct{}

func (leastNodes) String() string { return "least-nodes" }
func (leastNodes) Best(o []Option, c []int) []int {
	return lowest(o, c, func(o *Option) float64 { return float64(o.Nodes) })
}

// price pays the least for what the pods ask for. Comparing the prices of whole
// options would favour the one that helps fewest.
type price struct{}

func (price) String() string { return "price" }
func (price) Best(o []Option, c []int) []int {
	cost := Costs(o)
	return lowest(o, c, func(o *Option) float64 { return cost(o) / asked(o) })
}

// leastCost is the price expander, and the user's own priorities of pools
// before it.
type leastCost struct{}

func (leastCost) String() string { return LeastCost }
func (leastCost) Best(o []Option, c []int) []int {
	c = lowest(o, c, func(o *Option) float64 { return -float64(o.Priority) })
	return price{}.Best(o, c)
}

// asked is what the pods of an option ask for in vCPU equivalents, never 0.
func asked(o *Option) float64 {
	return max(1e-9, Equivalents(o.AskedCPU, o.AskedMemory, o.AskedGPUs))
}

// random takes one by chance: spreads over like pools where nothing else does.
type random struct{ seed func() uint64 }

func (random) String() string { return "random" }

// Best hashes the candidates into the seed: two choices of one look are
// independent, and the same choice is the same whenever it is made again.
func (r random) Best(o []Option, c []int) []int {
	if len(c) == 0 {
		return nil
	}
	h := fnv.New64a()
	for _, i := range c {
		fmt.Fprintf(h, "%s/%d/", o[i].Pool, o[i].Nodes)
	}
	seed := uint64(0)
	if r.seed != nil {
		seed = r.seed()
	}
	return []int{c[rand.New(rand.NewPCG(seed, h.Sum64())).IntN(len(c))]}
}
