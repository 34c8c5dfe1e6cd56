package limit

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Amount is nodes in sum.
type Amount struct {
	Nodes  float64
	Cores  float64
	Memory float64 // bytes
	GPUs   map[string]float64
	Spend  float64 // US dollars an hour
	// Unpriced nodes cost something that is not known: under a limit of spend
	// none may be added.
	Unpriced bool
}

// Add is a with n times b.
func (a Amount) Add(b Amount, n float64) Amount {
	sum := Amount{
		Nodes: a.Nodes + n*b.Nodes, Cores: a.Cores + n*b.Cores, Memory: a.Memory + n*b.Memory, Spend: a.Spend + n*b.Spend,
		Unpriced: a.Unpriced || b.Unpriced && n != 0,
	}
	if len(a.GPUs)+len(b.GPUs) > 0 {
		sum.GPUs = map[string]float64{}
		for name, v := range a.GPUs {
			sum.GPUs[name] += v
		}
		for name, v := range b.GPUs {
			sum.GPUs[name] += n * v
		}
	}
	return sum
}

// AllGPUs is the number of accelerators of all kinds.
func (a Amount) AllGPUs() float64 {
	sum := 0.0
	for _, v := range a.GPUs {
		sum += v
	}
	return sum
}

// Thing is what a limit is about.
type Thing int

const (
	// Nothing: no limit stands in the way.
	Nothing Thing = iota
	// Nodes, by number.
	Nodes
	// Cores are vCPUs.
	Cores
	// Memory in bytes.
	Memory
	// GPUs are accelerators.
	GPUs
	// Spend is US dollars an hour.
	Spend
)

var thingNames = [...]string{"nothing", "nodes", "cores", "memory", "GPUs", "spend"}

// String names the thing.
func (t Thing) String() string {
	if t < 0 || int(t) >= len(thingNames) {
		return "nothing"
	}
	return thingNames[t]
}

// Range is from Min to Max; nil bounds do not bind.
type Range struct{ Min, Max *float64 }

// Limits bound an Amount. The zero value does not.
type Limits struct {
	Nodes, Cores, Memory, Spend Range
	// AllGPUs bounds accelerators in sum, GPUs those of one resource name.
	AllGPUs Range
	GPUs    map[string]Range
}

// Block is the limit that stands in the way.
type Block struct {
	Thing Thing
	// Have, Max and Each are what there is, may be, and what one node more brings.
	Have, Max, Each float64
	// Name is the resource name of a limit on one kind of accelerator.
	Name string
	// Unpriced is set when the price of a node is not known.
	Unpriced bool
}

// String is "40 of at most 48 cores, and a node has 16".
func (b Block) String() string {
	if b.Unpriced {
		return fmt.Sprintf("the price of a node is not known, and at most %s may be spent", amount(Spend, b.Max))
	}
	noun := b.Thing.String()
	if b.Name != "" {
		noun = b.Name
	}
	switch b.Thing {
	case Spend:
		return fmt.Sprintf("%s of at most %s are spent, and a node costs %s", amount(Spend, b.Have), amount(Spend, b.Max), amount(Spend, b.Each))
	case Nodes:
		return fmt.Sprintf("%s of at most %s nodes", amount(Nodes, b.Have), amount(Nodes, b.Max))
	}
	return fmt.Sprintf("%s of at most %s %s, and a node has %s", amount(b.Thing, b.Have), amount(b.Thing, b.Max), noun, amount(b.Thing, b.Each))
}

func amount(t Thing, v float64) string {
	switch t {
	case Memory:
		return fmt.Sprintf("%.4g GiB", v/(1<<30))
	case Spend:
		return fmt.Sprintf("%.4g $/h", v)
	}
	return fmt.Sprintf("%.6g", v)
}

// Room is how many nodes more, each bringing that much, stay within the limits,
// at most want, and what stands in the way of the next one.
func (l Limits) Room(have, each Amount, want int) (int, Block) {
	room, block := want, Block{}
	l.visit(have, each, func(b Block, max *float64) {
		if max == nil || b.Each <= 0 && !b.Unpriced {
			return
		}
		b.Max = *max
		n := whole((*max-b.Have)/b.Each, want)
		if b.Unpriced {
			n = 0
		}
		if n < room {
			room, block = n, b
		}
	}, func(r Range) *float64 { return r.Max })
	return room, block
}

// Spare is how many nodes, each taking that much away, may go before a minimum
// is reached, at most want, and the minimum that stands in the way of the next.
func (l Limits) Spare(have, each Amount, want int) (int, Block) {
	spare, block := want, Block{}
	l.visit(have, each, func(b Block, min *float64) {
		if min == nil || b.Each <= 0 {
			return
		}
		n := whole((b.Have-*min)/b.Each, want)
		if n < spare {
			b.Max = *min
			spare, block = n, b
		}
	}, func(r Range) *float64 { return r.Min })
	return spare, block
}

// whole is how many whole nodes v is, 0 to most. A thousandth of a millionth
// forgives sums of decimal fractions.
func whole(v float64, most int) int {
	if v >= float64(most) { // which may be more than an int holds
		return most
	}
	return max(0, int(math.Floor(v+1e-9)))
}

// visit goes through all limits, always in one order.
func (l Limits) visit(have, each Amount, see func(Block, *float64), side func(Range) *float64) {
	see(Block{Thing: Nodes, Have: have.Nodes, Each: each.Nodes}, side(l.Nodes))
	see(Block{Thing: Cores, Have: have.Cores, Each: each.Cores}, side(l.Cores))
	see(Block{Thing: Memory, Have: have.Memory, Each: each.Memory}, side(l.Memory))
	see(Block{Thing: GPUs, Have: have.AllGPUs(), Each: each.AllGPUs()}, side(l.AllGPUs))
	for _, name := range sorted(l.GPUs) {
		see(Block{Thing: GPUs, Name: name, Have: have.GPUs[name], Each: each.GPUs[name]}, side(l.GPUs[name]))
	}
	see(Block{Thing: Spend, Have: have.Spend, Each: each.Spend, Unpriced: each.Unpriced}, side(l.Spend))
}

func sorted(m map[string]Range) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// Check refuses limits that contradict themselves.
func (l Limits) Check() error {
	check := func(what string, r Range) error {
		switch {
		case r.Min != nil && (*r.Min < 0 || math.IsNaN(*r.Min)), r.Max != nil && (*r.Max < 0 || math.IsNaN(*r.Max)):
			return fmt.Errorf("limit %s: it is negative or no number", what)
		case r.Min != nil && r.Max != nil && *r.Min > *r.Max:
			return fmt.Errorf("limit %s: the minimum %.6g is above the maximum %.6g", what, *r.Min, *r.Max)
		}
		return nil
	}
	for _, x := range []struct {
		what string
		r    Range
	}{{"nodes", l.Nodes}, {"cores", l.Cores}, {"memory", l.Memory}, {"GPUs", l.AllGPUs}, {"spend", l.Spend}} {
		if err := check(x.what, x.r); err != nil {
			return err
		}
	}
	for _, name := range sorted(l.GPUs) {
		if err := check(name, l.GPUs[name]); err != nil {
			return err
		}
	}
	return nil
}
