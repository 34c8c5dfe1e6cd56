package expander

import (
	"fmt"
	"math"
	"strings"
)

// A Strategy keeps the options that are best by one measure.
type Strategy struct {
	Name, About string
	// worse is the measure: the least is best. ok is false for an option of which
	// it knows nothing: that one is kept only if nothing is known of any.
	worse func(o Option, k *Knowledge) (measure float64, ok bool)
	// alike is by how much of itself a measure may be larger and still be as good.
	alike float64
}

// Strategies are all there are, in the order of [Usual].
func Strategies() []Strategy {
	return []Strategy{
		{Name: "capacity", About: "not where machines of the shape were refused lately", worse: refused},
		{Name: "priority", About: "the highest priority of cluster-autoscaler's ConfigMap", worse: priority},
		{Name: "price", About: "the least money for what the pods ask for", worse: price, alike: 0.01},
		{Name: "least-waste", About: "the least left over of CPU and memory", worse: waste, alike: 1e-9},
		{Name: "balance", About: "the availability domain with the fewest machines", worse: crowd},
		{Name: "least-nodes", About: "the fewest new nodes", worse: nodes},
		{Name: "most-pods", About: "the most pods helped", worse: pods},
	}
}

// Usual is the chain for whoever does not choose one.
const Usual = "capacity,priority,price,least-waste,balance"

// ParseChain reads names of strategies with commas between them.
func ParseChain(text string) ([]Strategy, error) {
	var chain []Strategy
	for _, name := range strings.Split(text, ",") {
		s, ok := find(strings.TrimSpace(name))
		if !ok {
			return nil, fmt.Errorf("parse --expander %q: there is no strategy %q, there are %s", text, name, names())
		}
		for _, before := range chain {
			if before.Name == s.Name {
				return nil, fmt.Errorf("parse --expander %q: %s stands there twice", text, s.Name)
			}
		}
		chain = append(chain, s)
	}
	return chain, nil
}

func find(name string) (Strategy, bool) {
	for _, s := range Strategies() {
		if s.Name == name {
			return s, true
		}
	}
	return Strategy{}, false
}

func names() string {
	var all []string
	for _, s := range Strategies() {
		all = append(all, s.Name)
	}
	return strings.Join(all, ", ")
}

// Choose gives the options that are left, in the order in which they came, and
// the strategy that left them: "" if none of them made a difference. It is pure,
// and never gives nothing for something.
func Choose(chain []Strategy, options []Option, k *Knowledge) (left []Option, by string) {
	left = options
	for _, s := range chain {
		if len(left) < 2 {
			break
		}
		if kept := s.keep(left, k); len(kept) < len(left) {
			left, by = kept, s.Name
		}
	}
	return left, by
}

func (s Strategy) keep(options []Option, k *Knowledge) []Option {
	least, known := 0.0, false
	for _, o := range options {
		if m, ok := s.worse(o, k); ok && !math.IsNaN(m) && (!known || m < least) {
			least, known = m, true
		}
	}
	if !known {
		return options
	}
	var kept []Option
	for _, o := range options {
		if m, ok := s.worse(o, k); ok && (m == least || m-least <= s.alike*math.Abs(least)) {
			kept = append(kept, o)
		}
	}
	return kept
}

func refused(o Option, _ *Knowledge) (float64, bool) { return o.Refused, true }

func priority(o Option, k *Knowledge) (float64, bool) {
	p, ok := k.Priorities.of(string(o.ID), o.Name)
	return -float64(p), ok
}

// price is what the new nodes cost for each piece of what the pods ask for:
// options may be for different pods.
func price(o Option, _ *Knowledge) (float64, bool) {
	worth := o.Need.worth() + podWorth*float64(o.Pods)
	return o.Price * float64(o.Nodes) / max(worth, podWorth), o.Price > 0
}

// waste is the share of CPU that stays unused, plus that of memory.
func waste(o Option, _ *Knowledge) (float64, bool) {
	n := float64(o.Nodes)
	if o.Room.Cores <= 0 || o.Room.GiB <= 0 {
		return 0, false
	}
	return 2 - o.Need.Cores/(o.Room.Cores*n) - o.Need.GiB/(o.Room.GiB*n), true
}

func crowd(o Option, _ *Knowledge) (float64, bool) { return float64(o.Crowd), o.Crowd >= 0 }

func nodes(o Option, _ *Knowledge) (float64, bool) { return float64(o.Nodes), true }

func pods(o Option, _ *Knowledge) (float64, bool) { return -float64(o.Pods), true }
