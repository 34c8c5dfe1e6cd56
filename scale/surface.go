package scale

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/limit"
)

// surface are cluster-autoscaler's gauges about the cluster, its pools and its
// limits. Pools are labelled with their ID, as node groups are.
type surface struct {
	safe, groups, maxNodes, cpu, memory, pendingDeletions, cooldown prometheus.Gauge
	cpuLimits, memoryLimits, lastActivity                           *prometheus.GaugeVec
	groupMin, groupMax, groupTarget, groupHealthy, groupBackoff     *prometheus.GaugeVec
	unremovable                                                     *prometheus.GaugeVec
	gpusUp, gpusDown, skipped                                       *prometheus.CounterVec
	creationsFailed, oldRemoved                                     prometheus.Counter
}

func newSurface() *surface {
	opts := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: "cluster_autoscaler", Name: name, Help: help}
	}
	gauge := func(name, help string) prometheus.Gauge { return prometheus.NewGauge(opts(name, help)) }
	vec := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(opts(name, help), labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	return &surface{
		safe:             gauge("cluster_safe_to_autoscale", "1 while the cloud answers and no common cause brakes."),
		groups:           gauge("node_groups_count", "Pools that are scaled."),
		maxNodes:         gauge("max_nodes_count", "The limit of nodes, 0 for none."),
		cpu:              gauge("cluster_cpu_current_cores", "vCPUs of all nodes."),
		memory:           gauge("cluster_memory_current_bytes", "Memory of all nodes."),
		pendingDeletions: gauge("pending_node_deletions", "Nodes that scaling has let go and that are still there."),
		cooldown:         gauge("scale_down_in_cooldown", "1 while a cooldown keeps a node that could go."),
		cpuLimits:        vec("cpu_limits_cores", "Limits of vCPUs.", "direction"),
		memoryLimits:     vec("memory_limits_bytes", "Limits of memory.", "direction"),
		lastActivity:     vec("last_activity", "When a part was last at work, seconds since the epoch.", "activity"),
		groupMin:         vec("node_group_min_count", "The least nodes of a pool.", "node_group"),
		groupMax:         vec("node_group_max_count", "The most nodes of a pool.", "node_group"),
		groupTarget:      vec("node_group_target_count", "The nodes asked for of a pool.", "node_group"),
		groupHealthy:     vec("node_group_healthiness", "1 while the pool can be read and most of its nodes work.", "node_group"),
		groupBackoff:     vec("node_group_backoff_status", "1 while the pool is not grown after a failure.", "node_group", "reason"),
		unremovable:      vec("unremovable_nodes_count", "Nodes that stay, by reason.", "reason"),
		gpusUp:           counter("scaled_up_gpu_nodes_total", "Nodes with accelerators asked for.", "gpu_resource_name"),
		gpusDown:         counter("scaled_down_gpu_nodes_total", "Nodes with accelerators let go.", "reason", "gpu_resource_name"),
		skipped:          counter("skipped_scale_events_count", "Growths not made because of a limit.", "direction", "reason"),
		creationsFailed: prometheus.NewCounter(prometheus.CounterOpts(opts("failed_node_creations_total",
			"Machines asked for that did not come."))),
		oldRemoved: prometheus.NewCounter(prometheus.CounterOpts(opts("old_unregistered_nodes_removed_count",
			"Machines deleted that never became nodes."))),
	}
}

func (u *surface) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		u.safe, u.groups, u.maxNodes, u.cpu, u.memory, u.pendingDeletions, u.cooldown, u.cpuLimits, u.memoryLimits, u.lastActivity,
		u.groupMin, u.groupMax, u.groupTarget, u.groupHealthy, u.groupBackoff, u.unremovable, u.gpusUp, u.gpusDown, u.skipped,
		u.creationsFailed, u.oldRemoved,
	}
}

// look sets what a look saw.
func (u *surface) look(s *world.Snapshot, plan Plan, p Policy) {
	status := statusOf(s, plan, p)
	u.safe.Set(bit(status.ClusterWide.Health.Status == "Healthy" && !braked(plan)))
	u.groups.Set(float64(len(status.NodeGroups)))
	for _, v := range []*prometheus.GaugeVec{u.groupMin, u.groupMax, u.groupTarget, u.groupHealthy, u.groupBackoff, u.unremovable} {
		v.Reset() // a pool that is gone leaves no line behind
	}
	for i := range status.NodeGroups {
		u.group(&status.NodeGroups[i])
	}
	u.amounts(s, p)
	leaving, cooling := 0, false
	for _, wp := range s.Pools {
		for _, n := range wp.Nodes {
			if scaleMark(n) {
				leaving++
			}
		}
	}
	for _, v := range plan.Nodes {
		u.unremovable.WithLabelValues(string(v.Reason)).Inc()
		cooling = cooling || v.Reason == CoolingDown
	}
	u.pendingDeletions.Set(float64(leaving))
	u.cooldown.Set(bit(cooling))
	u.activity("main", s.Now)
	u.activity("scaleDown", s.Now)
	if len(plan.Grows) > 0 {
		u.activity("scaleUp", s.Now)
	}
	for _, v := range plan.Pools {
		if word := skippedFor[v.Reason]; word != "" {
			u.skipped.WithLabelValues("up", word).Inc()
		}
	}
}

// skippedFor are cluster-autoscaler's words for limits.
var skippedFor = map[Reason]string{
	PoolAtMaxCores: "CpuResourceLimit", ClusterAtMaxCores: "CpuResourceLimit",
	PoolAtMaxMemory: "MemoryResourceLimit", ClusterAtMaxMemory: "MemoryResourceLimit",
	PoolAtMaxGPUs: "GpuResourceLimit", ClusterAtMaxGPUs: "GpuResourceLimit",
	PoolAtMaxSpend: "SpendLimit", ClusterAtMaxSpend: "SpendLimit", ClusterAtMaxNodes: "NodeLimit",
}

func (u *surface) group(g *caGroup) {
	u.groupMin.WithLabelValues(g.Name).Set(float64(*g.Health.MinSize))
	u.groupMax.WithLabelValues(g.Name).Set(float64(*g.Health.MaxSize))
	u.groupTarget.WithLabelValues(g.Name).Set(float64(*g.Health.CloudProviderTarget))
	u.groupHealthy.WithLabelValues(g.Name).Set(bit(g.Health.Status == "Healthy"))
	reason := ""
	if g.ScaleUp.BackoffInfo != nil {
		reason = g.ScaleUp.BackoffInfo.ErrorCode
	}
	u.groupBackoff.WithLabelValues(g.Name, reason).Set(bit(g.ScaleUp.Status == "Backoff"))
}

// amounts sets what all nodes are and may be.
func (u *surface) amounts(s *world.Snapshot, p Policy) {
	var sum limit.Amount
	add := func(nodes []*world.Node) {
		for _, n := range nodes {
			if n.Object != nil {
				sum = sum.Add(amountOf(n.Object, 0), 1)
			}
		}
	}
	for _, wp := range s.Pools {
		add(wp.Nodes)
	}
	add(s.Unmanaged)
	u.cpu.Set(sum.Cores)
	u.memory.Set(sum.Memory)
	set := func(v *prometheus.GaugeVec, r limit.Range) {
		for direction, bound := range map[string]*float64{"minimum": r.Min, "maximum": r.Max} {
			if bound != nil {
				v.WithLabelValues(direction).Set(*bound)
			}
		}
	}
	set(u.cpuLimits, p.Limits.Cores)
	set(u.memoryLimits, p.Limits.Memory)
	if p.Limits.Nodes.Max != nil {
		u.maxNodes.Set(*p.Limits.Nodes.Max)
	}
}

func (u *surface) activity(name string, at time.Time) {
	u.lastActivity.WithLabelValues(name).Set(float64(at.Unix()))
}

// accelerators are the resource names of the pool's accelerators.
func accelerators(p *world.Pool) []string {
	var out []string
	if len(p.Cloud.Placements) > 0 {
		for name, q := range p.Cloud.Placements[0].Template.Status.Allocatable {
			if gpu(name) && !q.IsZero() {
				out = append(out, string(name))
			}
		}
	}
	return out
}

// listedGPUs are reported by their resource's name.
var listedGPUs = map[string]bool{
	"nvidia.com/gpu": true, "nvidia.com/gpu.shared": true, "amd.com/gpu": true, "gpu.intel.com/i915": true, "gpu.intel.com/xe": true, "habana.ai/gaudi": true,
}

// gpuLabel is the resource's name, or "other": a kubelet may call its devices whatever
// it likes, each by its serial number.
func gpuLabel(name string) string {
	if listedGPUs[name] {
		return name
	}
	return "other"
}

func braked(plan Plan) bool {
	for _, v := range plan.Nodes {
		if v.Reason == Braked {
			return true
		}
	}
	return false
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
