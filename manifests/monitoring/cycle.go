package monitoring

func cycle() Dashboard {
	return Dashboard{UID: "tidemill-cycle", Title: "tidemill / cycle", About: "How far a pool's turn-over is, and what holds it.", Rows: []Row{
		{"Runs", []Panel{
			one("Nodes still to replace", "It falls while a run goes on.", Count, Lines, `max by (pool) (tidemill_cycle_stale_nodes{pool=~"$pool"})`, "{{pool}}"),
			one("Why a run does not go on", "WaitingForSurge and Finishing pass; docs/cycle.md has the rest.", YesNo, States,
				`max by (pool, reason) (tidemill_cycle_waiting{pool=~"$pool"}) or vector(0)`, "{{pool}} {{reason}}").amiss("orange"),
			one("Machines replaced, by cause", "Per hour.", Count, Stack, `sum by (cause) (rate(tidemill_cycle_replaced_total{pool=~"$pool"}[$__rate_interval])) * 3600 or vector(0)`, "{{cause}}"),
			one("Rung of the capacity ladder", "A run that the cloud has no room for goes down rung by rung.", YesNo, States,
				`max by (pool, rung) (tidemill_cycle_ladder_rung{pool=~"$pool"}) or vector(0)`, "{{pool}} {{rung}}").amiss("orange"),
			one("Steps", "What was done, per minute.", Count, Stack, `sum by (step) (rate(tidemill_cycle_steps_total[$__rate_interval])) * 60`, "{{step}}"),
		}},
		{"Drains", []Panel{
			one("Nodes being emptied", "", Count, Stack, `max by (pool) (tidemill_cycle_draining_nodes{pool=~"$pool"})`, "{{pool}}"),
			one("Nodes not taken or not emptied, by reason", "A reason that stays: docs/cycle.md.", Count, Stack,
				`sum by (reason) (tidemill_cycle_blocked_nodes{pool=~"$pool"}) or vector(0)`, "{{reason}}"),
			quantiles("From first eviction to empty", "", "tidemill_cycle_drain_seconds"),
			one("Evictions by answer", "PDBZero says that a budget allows no disruption at all.", PerSec, Stack,
				`sum by (result) (rate(tidemill_cycle_evictions_total[$__rate_interval]))`, "{{result}}"),
		}},
	}}
}
