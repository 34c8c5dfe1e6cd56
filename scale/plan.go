package scale

import (
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Plan is what one look leads to. The actions are carried out in the order of
// the fields; each stands for itself, and one that fails stops no other.
type Plan struct {
	// Now is the time the plan was made for.
	Now time.Time `json:"now"`
	// TakeBacks lower pools by what failed to come.
	TakeBacks []TakeBack `json:"takeBacks,omitempty"`
	// Discards delete machines that never became Nodes.
	Discards []Discard `json:"discards,omitempty"`
	// Keeps give back nodes that were about to leave.
	Keeps []Keep `json:"keeps,omitempty"`
	// Grows raise pools, in order of the pools' names.
	Grows []Grow `json:"grows,omitempty"`
	// Timers start and stop the unneeded time of nodes.
	Timers []Timer `json:"timers,omitempty"`
	// Removals mark nodes to leave.
	Removals []Removal `json:"removals,omitempty"`

	// Verdicts are one for each pending pod, Pools one for each pool, Nodes one
	// for each node of a pool that scales and stays.
	Verdicts []Verdict     `json:"verdicts,omitempty"`
	Pools    []PoolVerdict `json:"pools,omitempty"`
	Nodes    []NodeVerdict `json:"nodes,omitempty"`

	emptied []emptied
}

// TakeBack lowers a pool by entries that will not become machines.
type TakeBack struct {
	Pool   string               `json:"pool"`
	ID     cloudprovider.PoolID `json:"id"`
	From   int                  `json:"from"`
	To     int                  `json:"to"`
	Faults []Fault              `json:"faults"`

	pool *world.Pool
}

// Fault is why machines did not come, and how many.
type Fault struct {
	Class   string `json:"class"`
	Message string `json:"message,omitempty"`
	Count   int    `json:"count"`
}

// Grow raises a pool for pods, or to its minimum when there are none.
type Grow struct {
	Pool string               `json:"pool"`
	ID   cloudprovider.PoolID `json:"id"`
	From int                  `json:"from"`
	To   int                  `json:"to"`
	// Cycle: a run is under way and owns the pool's size; its desired size is
	// raised instead.
	Cycle bool `json:"cycle,omitempty"`
	// Waste is the mean share of CPU, memory and accelerators of the new nodes
	// that stays unused, 0 to 1.
	Waste float64 `json:"waste"`
	// Pods that the new nodes are for, "namespace/name".
	Pods []string `json:"pods,omitempty"`
	// Replaces are nodes that cost more than the new one that is to carry their
	// pods; Message says how much.
	Replaces []string `json:"replaces,omitempty"`
	// Headroom is how many of the new nodes are there for the loss of a zone, and
	// Message which and why.
	Headroom int    `json:"headroom,omitempty"`
	Message  string `json:"message,omitempty"`

	pool   *world.Pool
	pods   []*corev1.Pod
	shapes int // groups of like pods among them
}

// Keep gives a leaving node back to its pool: mark and cordon go.
type Keep struct {
	Node    string   `json:"node"`
	Pool    string   `json:"pool"`
	Reason  Reason   `json:"reason"`
	Message string   `json:"message,omitempty"`
	Pods    []string `json:"pods,omitempty"`

	node *world.Node
}

// Timer starts the unneeded time of a node, or stops it when Since is nil.
type Timer struct {
	Node  string     `json:"node"`
	Pool  string     `json:"pool"`
	Since *time.Time `json:"since,omitempty"`

	node *world.Node
}

// Removal marks a node to leave and cordons it. The cycle verb drains it and
// deletes the machine.
type Removal struct {
	Node    string    `json:"node"`
	Pool    string    `json:"pool"`
	Reason  Reason    `json:"reason"`
	Message string    `json:"message"`
	Since   time.Time `json:"unneededSince"`
	// Pods that will have to move, "namespace/name".
	Pods []string `json:"pods,omitempty"`

	node *world.Node
}

// Actions is the number of things to do.
func (p Plan) Actions() int {
	return len(p.TakeBacks) + len(p.Discards) + len(p.Keeps) + len(p.Grows) + len(p.Timers) + len(p.Removals)
}

func (p *Plan) sortNodes() {
	sort.SliceStable(p.Nodes, func(i, j int) bool {
		a, b := p.Nodes[i], p.Nodes[j]
		return a.Pool < b.Pool || a.Pool == b.Pool && a.Node < b.Node
	})
}

// String is the whole plan, a sentence a line: actions, then pods, pools and
// nodes with their reasons.
func (p Plan) String() string {
	var b strings.Builder
	lines(&b, p.TakeBacks)
	lines(&b, p.Discards)
	lines(&b, p.Keeps)
	lines(&b, p.Grows)
	lines(&b, p.Timers)
	lines(&b, p.Removals)
	lines(&b, p.Verdicts)
	lines(&b, p.Pools)
	lines(&b, p.Nodes)
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

func lines[T fmt.Stringer](b *strings.Builder, list []T) {
	for _, x := range list {
		b.WriteString(x.String())
		b.WriteByte('\n')
	}
}
