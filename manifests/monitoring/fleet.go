package monitoring

func fleet() Dashboard {
	return Dashboard{UID: "tidemill-fleet", Title: "tidemill / fleet", About: "How the pools are: the first page to look at.", Rows: []Row{
		{"Now", []Panel{
			one("Leads", "One replica leads. 0 for longer than a change of leader: nothing is done.", YesNo, Number, `max(tidemill_leader)`, "leader").fine(),
			one("Nodes asked for", "What the cloud was asked for, over all chosen pools.", Count, Number, `sum(tidemill_pool_nodes{pool=~"$pool", kind="size"})`, "size"),
			one("Nodes in service", "Ready, examined, not on their way out.", Count, Number, `sum(tidemill_pool_nodes{pool=~"$pool", kind="ready"})`, "ready"),
			one("Pods without a node", "All of them, helped or not.", Count, Number, `max(tidemill_pending_pods)`, "pending").amiss("orange"),
			one("Broken nodes", "Nodes that the doctor found a problem on.", Count, Number, `max(tidemill_doctor_nodes{verdict="True"})`, "broken").amiss("red"),
			one("Age of the look at OKE", "Seconds when all is well. Minutes: see the page cloud.", Seconds, Number,
				`time() - max(tidemill_cloud_last_good_look_timestamp_seconds)`, "age").from(120, 600),
		}},
		{"Pools", []Panel{
			one("Size", "What was asked for, by pool.", Count, Stack, `sum by (pool) (tidemill_pool_nodes{pool=~"$pool", kind="size"})`, "{{pool}}"),
			one("In service", "Available nodes by pool; the gap to the size is coming, broken or leaving.", Count, Stack, `sum by (pool) (tidemill_pool_nodes{pool=~"$pool", kind="ready"})`, "{{pool}}"),
			one("Not in service, by what they are", "Coming is good news; failed and broken that stay are not.", Count, Stack,
				`sum by (kind) (tidemill_pool_nodes{pool=~"$pool", kind=~"coming|failed|broken|draining"})`, "{{kind}}"),
			one("Outdated", "Nodes that do not run what a new one would run.", Count, Stack, `sum by (pool) (tidemill_pool_nodes{pool=~"$pool", kind="outdated"})`, "{{pool}}"),
			one("Readable", "0 with the reason: the Pool has no node pool of its own, or the cloud does not answer for it.", YesNo, States,
				`min by (pool, reason) (tidemill_pool_ready{pool=~"$pool"})`, "{{pool}} {{reason}}").fine(),
			one("Pods without a node", "", Count, Lines, `max(tidemill_pending_pods)`, "pending"),
		}},
		{"The daemon", []Panel{
			one("Versions", "More than one for longer than a roll-out is an accident.", Count, Table, `count by (version, revision, goversion) (tidemill_build_info)`, "{{version}}"),
			one("Replicas", "By whether they lead.", Count, Lines, `count_values("leads", tidemill_leader)`, "leads: {{leads}}"),
			one("Loops that broke", "A loop that panicked or ended was begun again; the log has the stack.", Count, Lines,
				`sum by (loop) (increase(tidemill_loop_breaks_total[$__rate_interval]))`, "{{loop}}"),
			one("Rights that are missing", "Of the shipped roles; the log says what is left out without each.", Count, Stack,
				`max by (right) (tidemill_missing_right) or vector(0)`, "{{right}}"),
			one("Memory", "Resident, by replica.", Bytes, Lines, `max by (instance) (process_resident_memory_bytes{job=~".*tidemill.*"})`, "{{instance}}"),
			one("CPU", "Cores in use, by replica.", Count, Lines, `sum by (instance) (rate(process_cpu_seconds_total{job=~".*tidemill.*"}[$__rate_interval]))`, "{{instance}}"),
			one("Calls to the API server", "By status. Many 409 or 429 are worth a look.", PerSec, Stack,
				`sum by (code) (rate(rest_client_requests_total{job=~".*tidemill.*"}[$__rate_interval]))`, "{{code}}"),
		}},
	}}
}
