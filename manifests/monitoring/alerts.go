package monitoring

import "time"

// Severity says who looks, and when.
type Severity string

// The severities: critical wakes somebody, warning is for the working day, info
// is to be known.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Alert is a condition that a person should know of.
type Alert struct {
	Name     string
	Severity Severity
	// For is how long Expr has to hold. Everything that a roll-out, a change of
	// leader or a single bad answer brings about is shorter.
	For  time.Duration
	Expr string
	// Summary is the line in the pager, About the sentence below it; both may use
	// {{ $labels.pool }} and the like.
	Summary, About string
}

// Runbook is where docs/runbooks.md says what to do.
func (a Alert) Runbook() string {
	return runbooks + "#" + lower(a.Name)
}

const runbooks = "https://github.com/tidemill/tidemill/blob/main/docs/runbooks.md"

// at is what keeps two clusters, or two installations, apart in one Prometheus.
// cluster is empty where nobody sets it, which is fine.
const at = "cluster, namespace"

// Alerts are all of them: the daemon itself, the cloud, then each verb.
func Alerts() []Alert {
	var all []Alert
	for _, of := range [][]Alert{daemonAlerts(), cloudAlerts(), scaleAlerts(), cycleAlerts(), doctorAlerts()} {
		all = append(all, of...)
	}
	return all
}

func daemonAlerts() []Alert {
	return []Alert{
		{"TidemillAbsent", Critical, 10 * time.Minute, `absent(tidemill_build_info)`,
			"tidemill is not running, or not scraped",
			"No replica has been seen for 10 minutes. Pods get no nodes, runs stand still, nothing is repaired."},
		{"TidemillNotLeading", Critical, 5 * time.Minute, `max by (` + at + `) (tidemill_leader) == 0`,
			"no replica of tidemill leads",
			"Replicas run, and none holds the Lease: nothing is scaled, cycled or repaired."},
		// Not by namespace: two installations in two of them are what it looks for.
		{"TidemillTwoLeaders", Critical, 2 * time.Minute, `sum by (cluster) (tidemill_leader) > 1`,
			"{{ $value }} replicas of tidemill lead at once",
			"Two processes act on one cluster: two installations with two Leases, most likely."},
		{"TidemillLoopBreaks", Warning, 0, `sum by (` + at + `, loop) (increase(tidemill_loop_breaks_total[15m])) > 0`,
			"the loop {{ $labels.loop }} broke and was begun again",
			"A loop panicked or ended. It has been begun again; what it was doing is found again on the cluster. The log has the stack."},
		{"TidemillStalled", Critical, 10 * time.Minute,
			`sum by (` + at + `) (rate(tidemill_mirror_looks_total[10m])) == 0 and on (` + at + `) max by (` + at + `) (tidemill_leader) == 1`,
			"tidemill leads and looks at nothing",
			"The leading replica has made no look for 20 minutes, neither a good one nor a failed one."},
		{"TidemillRightMissing", Warning, 15 * time.Minute, `max by (` + at + `, right) (tidemill_missing_right) == 1`,
			"tidemill's account may not {{ $labels.right }}",
			"A role of this version has not been applied. What needs the right is left out, the rest goes on; the log says what is left out."},
	}
}

func cloudAlerts() []Alert {
	return []Alert{
		{"TidemillCloudFailing", Warning, 10 * time.Minute,
			`sum by (` + at + `) (rate(tidemill_cloud_calls_total{result=~"error|throttled|unauthorized"}[10m])) / sum by (` + at + `) (rate(tidemill_cloud_calls_total[10m])) > 0.5`,
			"{{ $value | humanizePercentage }} of the calls to OKE fail",
			"More than half of the calls have failed for 10 minutes. tidemill goes on with its last good data and disrupts nothing meanwhile."},
		{"TidemillCloudUnauthorized", Critical, 5 * time.Minute,
			`sum by (` + at + `, op) (increase(tidemill_cloud_calls_total{result="unauthorized"}[15m])) > 0`,
			"OCI does not let tidemill {{ $labels.op }}",
			"A policy lacks a statement, or the key is no longer good. manifests/iam/policy.txt has all statements."},
		{"TidemillCloudDataOld", Critical, 5 * time.Minute,
			`time() - max by (` + at + `) (tidemill_cloud_last_good_look_timestamp_seconds > 0) > 600`,
			"the last good look at OKE is {{ $value | humanizeDuration }} old",
			"Pools cannot be grown or turned over on data this old."},
		{"TidemillPoolUnreadable", Warning, 15 * time.Minute, `min by (` + at + `, pool, reason) (tidemill_pool_ready) == 0`,
			"pool {{ $labels.pool }} has no node pool that can be read: {{ $labels.reason }}",
			"This pool is left alone until it can be read; the others are not affected."},
		{"TidemillPluginDataOld", Critical, 5 * time.Minute, `max by (` + at + `) (tidemill_plugin_data_age_seconds) > 600`,
			"cluster-autoscaler is answered from data that is {{ $value | humanizeDuration }} old",
			"The plugin beside cluster-autoscaler has not been able to read OKE."},
	}
}

func scaleAlerts() []Alert {
	return []Alert{
		{"TidemillPodsUnhelped", Warning, 15 * time.Minute, `max by (` + at + `, reason) (tidemill_scale_unhelped_pods) > 0`,
			"{{ $value }} pods wait and nothing helps them: {{ $labels.reason }}",
			"For 15 minutes no node, present or possible, would take these pods."},
		{"TidemillPoolCannotGrow", Warning, 15 * time.Minute,
			`max by (` + at + `, pool, reason) (tidemill_scale_pool_blocked) == 1 and on (` + at + `) max by (` + at + `) (cluster_autoscaler_unschedulable_pods_count) > 0`,
			"pool {{ $labels.pool }} cannot grow: {{ $labels.reason }}",
			"Pods wait for a node, and this pool has not been able to give one for 15 minutes."},
		{"TidemillMachinesDoNotCome", Warning, 0, `sum by (` + at + `) (increase(cluster_autoscaler_failed_node_creations_total[30m])) > 5`,
			"{{ $value | humanize }} machines that were asked for did not come",
			"Capacity, a quota, or a pool whose machines cannot start; what failed is taken back and other pools are tried."},
		{"TidemillNotSafeToScale", Warning, 15 * time.Minute, `max by (` + at + `) (cluster_autoscaler_cluster_safe_to_autoscale) == 0`,
			"scaling holds still: the cloud is away or a common cause brakes",
			"Nothing is let go while so much is broken or unknown."},
		{"TidemillScaleStalled", Critical, 5 * time.Minute, `time() - max by (` + at + `) (cluster_autoscaler_last_activity{activity="main"}) > 600`,
			"scaling has not looked for {{ $value | humanizeDuration }}",
			"The loop that gives pods their nodes hangs or fails at each look."},
		{"TidemillPrioritiesInvalid", Warning, 10 * time.Minute, `max by (` + at + `) (tidemill_scale_priorities_invalid) == 1`,
			"the priority expander's ConfigMap cannot be read",
			"The rules from before the change hold until it is mended."},
	}
}

func cycleAlerts() []Alert {
	return []Alert{
		{"TidemillCycleBlocked", Warning, time.Hour,
			`max by (` + at + `, pool, reason) (tidemill_cycle_waiting{reason!~"Paused|OutsideWindow|GateClosed|CanarySoak|WaitingForSurge|WaitingForGreen|Finishing|Delegated"}) == 1`,
			"the run of pool {{ $labels.pool }} does not go on: {{ $labels.reason }}",
			"For an hour the same has held the run. Waits that you ordered (pause, window, gate, soak) are not counted."},
		{"TidemillCycleStuck", Warning, 30 * time.Minute,
			`max by (` + at + `, pool) (tidemill_cycle_stale_nodes) > 0 unless on (` + at + `, pool) (sum by (` + at + `, pool) (increase(tidemill_cycle_replaced_total[2h])) > 0) ` +
				`unless on (` + at + `, pool) (max by (` + at + `, pool) (tidemill_cycle_waiting{reason=~"Paused|OutsideWindow|GateClosed|CanarySoak|Delegated"}) == 1) ` +
				`unless on (` + at + `, pool) (min_over_time(tidemill_cycle_stale_nodes[2h]) == 0)`,
			"the run of pool {{ $labels.pool }} has replaced nothing for two hours",
			"{{ $value }} nodes are still to be replaced."},
		{"TidemillNodesBlocked", Info, time.Hour, `sum by (` + at + `, pool, reason) (tidemill_cycle_blocked_nodes{reason!~"BelowFloor|BelowZoneFloor|ParallelDrains"}) > 0`,
			"{{ $value }} nodes of pool {{ $labels.pool }} are not taken or not emptied: {{ $labels.reason }}",
			"Something of yours protects these nodes or pods, or a budget allows no disruption."},
	}
}

func doctorAlerts() []Alert {
	return []Alert{
		{"TidemillBrakeClosed", Critical, 5 * time.Minute, `max by (` + at + `, pool) (tidemill_doctor_braked) == 1`,
			"repair of pool {{ $labels.pool }} is braked",
			"So many nodes are broken at once that a common cause is likely. Nothing is repaired until that is gone or a person decides."},
		{"TidemillNodesNeedHuman", Warning, 10 * time.Minute, `max by (` + at + `, pool) (tidemill_doctor_needs_human_nodes) > 0`,
			"{{ $value }} broken nodes of pool {{ $labels.pool }} need a person",
			"Repair has done all that the pool's policy allows, and they are still broken."},
		{"TidemillDoctorStale", Warning, 10 * time.Minute,
			`time() - max by (` + at + `) (tidemill_doctor_last_run_timestamp_seconds > 0) > 300 + 10 * max by (` + at + `) (tidemill_doctor_expected_interval_seconds)`,
			"nodes were last examined {{ $value | humanizeDuration }} ago",
			"New nodes are not trusted and broken ones not found while nobody looks."},
		{"TidemillNodesUnexamined", Warning, 30 * time.Minute, `max by (` + at + `) (tidemill_doctor_nodes{verdict="Unknown"}) > 0`,
			"{{ $value }} nodes could not be examined",
			"For half an hour the doctor has been unable to say whether these nodes are well; they do not count as available."},
		{"TidemillManyNodesBroken", Critical, 10 * time.Minute,
			`max by (` + at + `) (tidemill_doctor_nodes{verdict="True"}) / sum by (` + at + `) (max by (` + at + `, verdict) (tidemill_doctor_nodes)) > 0.2`,
			"{{ $value | humanizePercentage }} of the nodes are broken",
			"The page doctor says which checks fail."},
	}
}
