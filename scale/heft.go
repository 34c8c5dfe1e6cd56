package scale

// heave weighs shapes by what a pod of each asks for: its share of all cores that
// are asked for, and its share of all memory. What takes room on a node is given
// room in that order, the heaviest first, since what is light fills gaps.
//
//	by cores alone    cores  ████ ████ ████ ▓░   by both   ████ ████ ████
//	                  memory ▓░   ▓▓░  ████ ████           ████ ███▓ ███▓
//
// By cores alone the pods that want memory come last, after all that they could
// have shared a node with, and get nodes of their own on which cores stand idle.
// What no new node could hold counts for nothing: one absurd pod would make the
// memory of all others look like little.
func (d *decision) heave(shapes []*shape) {
	var mostCores, mostMemory float64
	for _, p := range d.pools {
		for i := range p.Cloud.Placements {
			have := p.Cloud.Placements[i].Template.Status.Allocatable
			mostCores, mostMemory = max(mostCores, have.Cpu().AsApproximateFloat64()), max(mostMemory, have.Memory().AsApproximateFloat64())
		}
	}
	var cores, memory float64
	for _, sh := range shapes {
		c, m := sh.want.Cpu().AsApproximateFloat64(), sh.want.Memory().AsApproximateFloat64()
		if c <= mostCores && m <= mostMemory {
			cores, memory = cores+float64(sh.pods)*c, memory+float64(sh.pods)*m
		}
	}
	for _, sh := range shapes {
		sh.heft = share(sh.want.Cpu().AsApproximateFloat64(), cores) + share(sh.want.Memory().AsApproximateFloat64(), memory)
	}
}

func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}
