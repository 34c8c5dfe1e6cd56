package monitoring

func scale() Dashboard {
	return Dashboard{UID: "tidemill-scale", Title: "tidemill / scale", About: "What waits for a node, what grows for it, and what goes.", Rows: []Row{
		{"Up", []Panel{
			one("Pods that nothing helps, by reason", "docs/scale.md says of each reason what to do.", Count, Stack,
				`max by (reason) (tidemill_scale_unhelped_pods) or vector(0)`, "{{reason}}"),
			one("Pods that fit nowhere yet", "Those that growth is on its way for, and those that nothing helps.", Count, Lines,
				`max by (type) (cluster_autoscaler_unschedulable_pods_count)`, "{{type}}"),
			quantiles("From pod to accepted growth", "How long a pod waits until the cloud has taken the order for its node.", "tidemill_scale_pending_to_resize_seconds"),
			one("Nodes asked for", "Per minute.", Count, Lines, `sum(rate(cluster_autoscaler_scaled_up_nodes_total[$__rate_interval])) * 60`, "nodes/min"),
			one("Machines that did not come", "Per minute; the reason is in the next panel.", Count, Lines,
				`sum(rate(cluster_autoscaler_failed_node_creations_total[$__rate_interval])) * 60`, "machines/min"),
			one("Growths that failed, by reason", "Capacity, quota, and what else the cloud said.", Count, Stack,
				`sum by (reason) (increase(cluster_autoscaler_failed_scale_ups_total[$__rate_interval])) or vector(0)`, "{{reason}}"),
			one("Pools that cannot grow, by reason", "PoolAtMax is a choice of yours; BackedOff passes.", YesNo, States,
				`max by (pool, reason) (tidemill_scale_pool_blocked{pool=~"$pool"}) or vector(0)`, "{{pool}} {{reason}}").amiss("orange"),
			one("Limits that held", "Growths not made for a limit of cores, memory, nodes, accelerators or spend.", Count, Lines,
				`sum by (reason) (increase(cluster_autoscaler_skipped_scale_events_count[$__rate_interval])) or vector(0)`, "{{reason}}"),
		}},
		{"Down", []Panel{
			one("Nodes let go, by why", "Per minute.", Count, Stack, `sum by (reason) (rate(cluster_autoscaler_scaled_down_nodes_total[$__rate_interval])) * 60 or vector(0)`, "{{reason}}"),
			one("Nodes that could go", "They wait for their time, or for others to have gone.", Count, Lines, `max(cluster_autoscaler_unneeded_nodes_count)`, "unneeded"),
			one("Nodes that stay, by reason", "docs/scale.md says of each what it means.", Count, Stack,
				`max by (reason) (cluster_autoscaler_unremovable_nodes_count)`, "{{reason}}"),
			one("Let go and still there", "More than a drain takes: see the page cycle.", Count, Lines, `max(cluster_autoscaler_pending_node_deletions)`, "leaving"),
		}},
		{"The whole", []Panel{
			one("Nodes by state", "", Count, Stack, `max by (state) (cluster_autoscaler_nodes_count)`, "{{state}}"),
			one("Cores", "", Count, Lines, `max(cluster_autoscaler_cluster_cpu_current_cores)`, "vCPUs"),
			one("Safe to scale", "No while the cloud is away or a common cause brakes.", YesNo, States, `max(cluster_autoscaler_cluster_safe_to_autoscale)`, "safe").fine(),
			one("Since the last look", "It should stay near the interval.", Seconds, Lines, `time() - max(cluster_autoscaler_last_activity{activity="main"})`, "age").from(120, 600),
			one("Priorities that cannot be read", "Yes: the rules from before hold; the event on the ConfigMap says what is wrong.", YesNo, States,
				`max(tidemill_scale_priorities_invalid) or vector(0)`, "invalid").amiss("orange"),
			one("Time of a look, by part", "The 9 of 10 that are quickest take less.", Seconds, Lines,
				`histogram_quantile(0.9, sum by (le, function) (rate(cluster_autoscaler_function_duration_seconds_bucket[$__rate_interval])))`, "{{function}}"),
			one("Actions that failed", "They are tried again; the log has the words.", Count, Lines, `sum by (type) (increase(cluster_autoscaler_errors_total[$__rate_interval])) or vector(0)`, "{{type}}"),
		}},
	}}
}
