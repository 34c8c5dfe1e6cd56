package repair

import "time"

// Result is what a policy came to in a scenario.
type Result struct {
	Policy string
	// Destroyed are healthy machines, or boot volumes, that were thrown away, and
	// sick ones whose successors could only be sick too. Rebooted are healthy
	// machines that were restarted.
	Destroyed, Rebooted int
	// Faults is how many nodes had a fault that repair could cure; Left how many
	// of them still have.
	Faults, Left int
	// ToRepair is the mean time from a fault to a whole node in its place; a
	// fault that is left counts to the end of the scenario.
	ToRepair time.Duration
}

// Run plays a scenario under every policy, tidemill's first.
func Run(s Scenario) []Result {
	var out []Result
	for _, p := range append([]policy{newTidemill()}, peers()...) {
		out = append(out, play(s, p))
	}
	return out
}

func play(s Scenario, p policy) Result {
	f := newFleet(s.pools)
	for minute := 0; f.now.Before(f.began.Add(s.last)); minute++ {
		s.script(f, minute)
		f.step()
		p.look(f)
	}
	left := f.unrepaired()
	r := Result{Policy: p.name(), Destroyed: f.destroyed, Rebooted: f.rebooted, Faults: len(f.repaired) + len(left), Left: len(left)}
	total := time.Duration(0)
	for _, d := range f.repaired {
		total += d
	}
	for _, n := range left {
		total += f.now.Sub(n.began)
	}
	if r.Faults > 0 {
		r.ToRepair = total / time.Duration(r.Faults)
	}
	return r
}
