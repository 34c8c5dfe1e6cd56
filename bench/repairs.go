package main

import (
	"context"
	"strconv"

	"github.com/tidemill/tidemill/bench/repair"
)

// repairs are the scenarios of the repair simulator, one workload each:
// repair/zone-lost. Each figure carries its policy: destroyed_karpenter.
func repairs() []workload {
	var out []workload
	for _, s := range repair.Scenarios() {
		out = append(out, workload{"repair/" + s.Name, s.About, func(_ context.Context, b *bench, name string) error {
			for _, r := range repair.Run(s) {
				b.figure(name, "destroyed_"+r.Policy, strconv.Itoa(r.Destroyed), "count")
				b.figure(name, "rebooted_"+r.Policy, strconv.Itoa(r.Rebooted), "count")
				if r.Faults > 0 {
					b.figure(name, "minutes_to_repair_"+r.Policy, strconv.FormatFloat(r.ToRepair.Minutes(), 'f', 1, 64), "min")
				}
			}
			return nil
		}})
	}
	return out
}
