package cycle

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// Limit is something of which a tenancy may have only so much, and of which each
// node takes: cores, memory, machines of a shape, a compartment's quota of them.
type Limit struct {
	// Name is the cloud's, "standard-e4-core-count".
	Name string
	// Zone is "" for a limit of the whole region.
	Zone cloudprovider.Zone
	// Left is what is free of it, PerNode what a node takes, in its own unit.
	Left, PerNode float64
}

// Subnet is where a pool's machines, and on VCN-native clusters their pods, get
// their addresses.
type Subnet struct {
	Name string
	// Zones are those of the placements that use it.
	Zones []cloudprovider.Zone
	// Pods is whether it is for pods alone.
	Pods bool
	// Free is how many addresses nobody has; PerNode how many a node takes, those of
	// its pods included where they come from here.
	Free, PerNode int
}

// extra is how many machines the run would have beside those of today at once.
func (f *preflight) extra() int {
	d := newDecision(f.s, f.pool, Policy{}.withDefaults())
	switch f.out.Strategy {
	case v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume:
		return 0
	}
	return min(d.full(nil).Surge, len(f.old))
}

// headroom is whether quota and addresses bear the machines that come before the
// old ones go. Too few for all of them slow a run down, none stops it.
func (f *preflight) headroom() {
	switch {
	case f.asked.LimitsErr != nil:
		f.check("quota", Mind, "the cloud does not tell beforehand: %s", f.asked.LimitsErr)
	case len(f.asked.Limits) > 0:
		f.fits("quota", f.limited())
	}
	switch {
	case f.asked.SubnetsErr != nil:
		f.check("addresses", Mind, "the cloud does not tell beforehand: %s", f.asked.SubnetsErr)
	case len(f.asked.Subnets) > 0:
		f.fits("addresses", f.addressed())
	}
}

// bottleneck is how many more nodes something bears, and its name with numbers.
type bottleneck struct {
	nodes int
	what  string
}

func (f *preflight) fits(name string, b bottleneck) {
	need := f.extra()
	switch {
	case need == 0:
		f.check(name, Fine, "no more machines are needed than there are")
	case b.nodes >= need:
		f.check(name, Fine, "there is enough for %d more nodes: %s", need, b.what)
	case b.nodes > 0:
		f.check(name, Mind, "%d more nodes are asked for and there is enough for %d, so that it goes slower: %s", need, b.nodes, b.what)
	case f.pool.CycleSpec().GetFallback() != v1alpha1.FallbackSpec{}:
		f.check(name, Mind, "there is not enough for one more node, so that spec.cycle.fallback is used: %s", b.what)
	default:
		f.check(name, Never, "there is not enough for one more node: %s; ask for more, or set spec.cycle.fallback", b.what)
	}
}

// limited is the tightest of the limits: those of one name in several zones add
// up, since the cloud may land nodes in each.
func (f *preflight) limited() bottleneck {
	var names []string
	nodes, parts := map[string]int{}, map[string][]string{}
	for _, l := range f.asked.Limits {
		if l.PerNode <= 0 || l.Zone != "" && !slices.Contains(f.pool.Cloud.Zones(), l.Zone) {
			continue
		}
		if _, seen := nodes[l.Name]; !seen {
			names = append(names, l.Name)
		}
		nodes[l.Name] += int(math.Floor(max(l.Left, 0) / l.PerNode))
		parts[l.Name] = append(parts[l.Name], strings.TrimSpace(fmt.Sprintf("%s has %g left in %s", l.Name, max(l.Left, 0), orRegion(l.Zone)))+fmt.Sprintf(" and a node takes %g", l.PerNode))
	}
	b := bottleneck{math.MaxInt32, "no limit counts such nodes"}
	for _, n := range names {
		if nodes[n] < b.nodes {
			b = bottleneck{nodes[n], strings.Join(parts[n], ", ")}
		}
	}
	return b
}

func orRegion(z cloudprovider.Zone) string {
	if z == "" {
		return "the region"
	}
	return string(z)
}

// addressed is how many nodes the subnets have addresses for. Where placements have
// subnets of their own, nodes may land in any of them, and pods take theirs from any
// of the pods'; a node needs both.
func (f *preflight) addressed() bottleneck {
	nodes, pods := f.addresses(false), f.addresses(true)
	switch {
	case nodes.what == "" && pods.what == "":
		return bottleneck{what: "no subnet is known"}
	case pods.what == "" || nodes.what != "" && nodes.nodes <= pods.nodes:
		return nodes
	}
	return pods
}

func (f *preflight) addresses(pods bool) bottleneck {
	var b bottleneck
	var parts []string
	for _, s := range f.asked.Subnets {
		if s.PerNode > 0 && s.Pods == pods {
			b.nodes += max(s.Free, 0) / s.PerNode
			parts = append(parts, fmt.Sprintf("subnet %s has %d free and a node takes %d", s.Name, max(s.Free, 0), s.PerNode))
		}
	}
	b.what = strings.Join(parts, ", ")
	return b
}

// bindings is which pods' volumes keep them in a zone, and whether a new node comes
// there by itself.
func (f *preflight) bindings() {
	d := newDecision(f.s, f.pool, Policy{}.withDefaults())
	if len(d.volumes().selectors) == 0 || f.out.Strategy == v1alpha1.StrategyBootVolume {
		return
	}
	pods, alone, never := 0, []string(nil), []string(nil)
	for _, n := range f.old {
		if n.Object == nil {
			continue
		}
		for _, p := range n.Pods {
			if len(d.bound.of(p)) > 0 {
				pods++
			}
		}
		w := d.noPlaceForVolumes(n, nil)
		switch {
		case w.Reason == "":
		case n.Zone() != "" && !slices.Contains(f.pool.Cloud.Zones(), n.Zone()):
			never = append(never, fmt.Sprintf("%s (zone %s)", n.Name(), n.Zone()))
		default:
			alone = append(alone, fmt.Sprintf("%s (zone %s)", n.Name(), n.Zone()))
		}
	}
	several := len(f.pool.Cloud.Zones()) > 1
	switch {
	case len(never) > 0:
		f.check("volumes", Never, "pods of %s have volumes that can be had in a zone where the pool makes no new node and no other node is", few(never))
	case len(alone) > 0 && several:
		f.check("volumes", Mind, "pods of %s have volumes that no other node could take now: each waits for a new node in its own zone, and the cloud chooses where a new one lands", few(alone))
	case pods > 0:
		f.check("volumes", Fine, "%d pods have volumes that are bound to a zone, and a node to follow to will be there", pods)
	}
}

// few is a list that a person reads to its end.
func few(list []string) string {
	if len(list) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:5], ", "), len(list)-5)
	}
	return strings.Join(list, ", ")
}
