package monitoring

func doctor() Dashboard {
	return Dashboard{UID: "tidemill-doctor", Title: "tidemill / doctor", About: "Which nodes are not well, and what is done about it.", Rows: []Row{
		{"Nodes", []Panel{
			one("Nodes by verdict", "True has a problem, False is fine, Unknown is not examined.", Count, Stack, `max by (verdict) (tidemill_doctor_nodes)`, "{{verdict}}"),
			one("Nodes with a problem, by check", "docs/doctor.md says what each check measures.", Count, Stack,
				`max by (check) (tidemill_doctor_problem_nodes) > 0 or vector(0)`, "{{check}}"),
			one("Checks by state", "Of all nodes: passed, warned, failed, or not run for a reason.", Count, Stack, `sum by (state) (tidemill_doctor_check_status)`, "{{state}}"),
			one("Checks that warn", "What fails next.", Count, Table, `max by (check) (tidemill_doctor_check_status{state="warn"}) > 0 or vector(0)`, "{{check}}"),
		}},
		{"Repair", []Panel{
			one("Repairs", "Asked for, reported in dry run, taken back, ended; per hour.", Count, Stack,
				`sum by (act) (rate(tidemill_doctor_repairs_total{pool=~"$pool"}[$__rate_interval])) * 3600 or vector(0)`, "{{act}}"),
			one("Brake", "Yes: so much is broken at once that a common cause is likelier; repair waits until it is calm again.", YesNo, States, `max by (pool) (tidemill_doctor_braked{pool=~"$pool"})`, "{{pool}}").amiss("red"),
			one("Nodes that need a person", "Repair has done all it may for them.", Count, Lines, `max by (pool) (tidemill_doctor_needs_human_nodes{pool=~"$pool"}) or vector(0)`, "{{pool}}"),
		}},
		{"The examination itself", []Panel{
			quantiles("Time of an examination", "Of all nodes, writes included.", "tidemill_doctor_run_duration_seconds"),
			one("Since the last examination", "It should stay near the interval.", Seconds, Lines, `time() - max(tidemill_doctor_last_run_timestamp_seconds)`, "age"),
			one("Oldest verdict", "Since the verdict on any node was last written. A heartbeat renews each within minutes.", Seconds, Lines,
				`time() - (max(tidemill_doctor_oldest_verdict_timestamp_seconds) > 0)`, "age"),
			one("Looks and writes that failed", "", Count, Lines, `sum by (step) (increase(tidemill_doctor_errors_total[$__rate_interval])) or vector(0)`, "{{step}}"),
		}},
	}}
}
