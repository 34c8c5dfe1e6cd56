package scale

import "github.com/tidemill/tidemill/scale/choose"

// bill is what all new nodes cost together: by list price, and where that is not
// known by what they have, so that it compares with another plan's.
func (d *decision) bill() float64 {
	var options []choose.Option
	var nodes []int
	for _, p := range d.pools {
		if t := p.template(""); p.spec != nil && t != nil {
			cores, gib, gpus := weights(t.Status.Allocatable)
			options = append(options, choose.Option{CPU: cores, Memory: gib, GPUs: gpus, Price: p.price("")})
			nodes = append(nodes, len(d.grown[p]))
		}
	}
	cost, sum := choose.Costs(options), 0.0
	for i, n := range nodes {
		sum += float64(n) * cost(&options[i])
	}
	return sum
}
