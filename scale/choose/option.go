package choose

import (
	"fmt"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Option is what growing one pool would do for the pods that wait.
type Option struct {
	// Pool is the pool's name; it decides among equals. Aliases are other names
	// that people know it by: its ID, its name in the cloud.
	Pool    string
	Aliases []string
	// Priority is the pool's scale.priority; more is better.
	Priority int32
	// Size is how many nodes the pool has before. Among like pools the smaller
	// grows, so that they stay alike.
	Size int

	// Nodes is how many nodes the pool would get, 1 or more; Zones are where, in
	// the order in which the cloud is expected to make them. Zones may be nil
	// when nobody asks.
	Nodes int
	Zones []cloudprovider.Zone
	// Pods is how many pods they would help, 1 or more.
	Pods int

	// CPU (cores) and Memory (GiB) are what the new nodes have for pods, in sum;
	// accelerators are in GPUs. AskedCPU, AskedMemory and AskedGPUs are what the
	// pods on them ask for, DaemonSets included.
	CPU, Memory, GPUs                float64
	AskedCPU, AskedMemory, AskedGPUs float64
	// Waste is the idle share of CPU and memory, 0 to 1 in the mean of both, and
	// of accelerators on top of it: a GPU node for pods that want none is worse
	// than any other.
	Waste float64
	// Price is what all new nodes cost, in US dollars an hour; 0 when it is not
	// known.
	Price float64
}

// Expander picks among options. Its name is historical: it expands a node group.
type Expander interface {
	// Best lists those of candidates, indices of options, that are best by this
	// expander alone; several when they are equal to it. It returns no fewer than
	// one when there is one, in the order of candidates, and changes neither list.
	Best(options []Option, candidates []int) []int
	// String is the expander's name as flags spell it.
	String() string
}

// Chain is expanders in order of importance.
type Chain []Expander

// Pick is the index of the best option, -1 when there is none. What all
// expanders find equal is decided by fewer nodes in the pool, then by its name.
func (c Chain) Pick(options []Option) int {
	if len(options) == 0 {
		return -1
	}
	left := make([]int, len(options))
	for i := range left {
		left[i] = i
	}
	for _, e := range c {
		if len(left) == 1 {
			break
		}
		left = e.Best(options, left)
	}
	best := left[0]
	for _, i := range left[1:] {
		a, b := &options[i], &options[best]
		if a.Size < b.Size || a.Size == b.Size && a.Pool < b.Pool {
			best = i
		}
	}
	return best
}

// String is the chain as the flag --expander spells it.
func (c Chain) String() string {
	s := ""
	for i, e := range c {
		if i > 0 {
			s += ","
		}
		s += e.String()
	}
	return s
}

// names are all that a pattern may be meant for.
func (o *Option) names() []string { return append([]string{o.Pool}, o.Aliases...) }

// String is "workers +2 for 12 pods, 0.128 $/h, 4% waste".
func (o Option) String() string {
	price := ""
	if o.Price > 0 {
		price = fmt.Sprintf(", %.3f $/h", o.Price)
	}
	return fmt.Sprintf("%s +%d for %d pods%s, %.0f%% waste", o.Pool, o.Nodes, o.Pods, price, 100*o.Waste)
}
