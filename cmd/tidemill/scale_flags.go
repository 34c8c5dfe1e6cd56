package main

import (
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"

	"github.com/tidemill/tidemill/scale"
	"github.com/tidemill/tidemill/scale/choose"
	"github.com/tidemill/tidemill/scale/limit"
)

// scaleFlags tune scaling. The daemon and plan share them: a plan made with
// other settings than the daemon's would say what the daemon does not do. Where
// cluster-autoscaler has a flag of that meaning it has that name here.
type scaleFlags struct {
	young time.Duration

	expander     string
	balance      bool
	ignoreLabels []string

	cores, memory string
	gpus          []string
	nodes, most   int
	spend         float64

	newPod, afterAdd, afterDelete, afterFailure, unneeded, provision time.Duration
	backoffFirst, backoffMax, backoffForget                          time.Duration
	utilization                                                      float64
	cutoff                                                           int32
	replicas                                                         int
	systemPods                                                       time.Duration

	namespace      string
	status         string
	proactive, ask bool
}

func (f *scaleFlags) register(s *pflag.FlagSet) {
	s.DurationVar(&f.young, "scale-down-young", 2*time.Minute, "how long a new node is never scaled down: the pods it was made for are on their way")
	s.StringVar(&f.expander, "expander", choose.LeastCost, "what chooses among pools, in order of importance: least-cost, priority, price, least-waste, most-pods, least-nodes, random")
	s.BoolVar(&f.balance, "balance-similar-node-groups", true, "grow pools with like nodes together, so that they stay about as large")
	s.StringSliceVar(&f.ignoreLabels, "balancing-ignore-label", nil, "`label` that does not make nodes unlike, beside those that name a node or a place; may be repeated")
	s.StringVar(&f.cores, "cores-total", "", "least and most vCPUs of all nodes, `min:max`")
	s.StringVar(&f.memory, "memory-total", "", "least and most memory of all nodes in GiB, `min:max`")
	s.StringSliceVar(&f.gpus, "gpu-total", nil, "least and most accelerators of all nodes, `resource:min:max` (nvidia.com/gpu:0:16); may be repeated")
	s.IntVar(&f.nodes, "max-nodes-total", 0, "most nodes in the cluster; 0 for no limit")
	s.Float64Var(&f.spend, "spend-per-hour", 0, "most that all nodes may cost by list price, US dollars an hour; 0 for no limit")
	s.IntVar(&f.most, "max-nodes-per-scaleup", 1000, "most nodes that one look adds")
	s.DurationVar(&f.newPod, "new-pod-scale-up-delay", 0, "how old a pod must be before a pool grows for it")
	s.DurationVar(&f.afterAdd, "scale-down-delay-after-add", 0, "how long after a scale-up of a pool none of its nodes is let go")
	s.DurationVar(&f.afterDelete, "scale-down-delay-after-delete", 0, "how long after a scale-down of a pool no other of its nodes is let go")
	s.DurationVar(&f.afterFailure, "scale-down-delay-after-failure", 0, "how long after a failed scale-up of a pool none of its nodes is let go")
	s.DurationVar(&f.unneeded, "scale-down-unneeded-time", 10*time.Minute, "how long a node must be unneeded before it goes, where its Pool does not say")
	s.Float64Var(&f.utilization, "scale-down-utilization-threshold", 0.5, "share of use below which a node's pods may be moved, where its Pool does not say")
	s.DurationVar(&f.provision, "max-node-provision-time", 25*time.Minute, "how long a machine may take to become a Ready node")
	s.DurationVar(&f.backoffFirst, "initial-node-group-backoff-duration", 5*time.Minute, "how long a pool is left alone after a failed growth; each further failure doubles it")
	s.DurationVar(&f.backoffMax, "max-node-group-backoff-duration", 30*time.Minute, "longest time a pool is left alone after failed growths")
	s.DurationVar(&f.backoffForget, "node-group-backoff-reset-timeout", 3*time.Hour, "how long after that its failures are forgotten")
	s.Int32Var(&f.cutoff, "expendable-pods-priority-cutoff", -10, "priority below which a pod never makes a pool grow")
	s.IntVar(&f.replicas, "min-replica-count", 0, "fewest replicas of a ReplicaSet or ReplicationController whose pods scaling moves")
	s.DurationVar(&f.systemPods, "blocking-system-pod-distruption-timeout", time.Hour, "how long after its creation a pod of kube-system without a PodDisruptionBudget keeps its node; spelt as cluster-autoscaler spells it")
	s.StringVar(&f.namespace, "config-namespace", "kube-system", "namespace of the ConfigMaps that cluster-autoscaler's users know")
	s.StringVar(&f.status, "status-config-map-name", scale.StatusConfigMap, "ConfigMap that tells the status as cluster-autoscaler does; empty for none")
	s.BoolVar(&f.ask, "ask-capacity", false, "ask OCI whether a shape is to be had before a pool grows; needs manage compute-capacity-reports in the tenancy, and goes on without the answer where that is missing")
	s.BoolVar(&f.proactive, "enable-proactive-scaleup", false, "make room for the pods that Jobs, ReplicaSets and StatefulSets have yet to create")
}

// check refuses what could not work.
func (f *scaleFlags) check() error {
	if f.young <= 0 {
		return usage(fmt.Errorf("--scale-down-young %s is not positive", f.young))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"--scale-down-unneeded-time", f.unneeded}, {"--max-node-provision-time", f.provision},
		{"--initial-node-group-backoff-duration", f.backoffFirst}, {"--max-node-group-backoff-duration", f.backoffMax},
		{"--node-group-backoff-reset-timeout", f.backoffForget},
	} {
		if d.value <= 0 {
			return usage(fmt.Errorf("%s %s is not positive", d.name, d.value))
		}
	}
	switch {
	case f.backoffMax < f.backoffFirst:
		return usage(fmt.Errorf("--max-node-group-backoff-duration %s is shorter than the first back-off, %s", f.backoffMax, f.backoffFirst))
	case f.most < 1:
		return usage(fmt.Errorf("--max-nodes-per-scaleup %d lets nothing grow", f.most))
	case f.nodes < 0 || f.spend < 0 || math.IsNaN(f.spend):
		return usage(fmt.Errorf("--max-nodes-total and --spend-per-hour must not be negative"), "0 means no limit")
	case f.utilization < 0.01 || f.utilization > 1 || math.IsNaN(f.utilization):
		return usage(fmt.Errorf("--scale-down-utilization-threshold %g is not a share of 0.01 to 1", f.utilization), "to keep every node set scale.down.disabled in its Pool")
	}
	p, err := f.read()
	if err == nil {
		err = p.Check()
	}
	if err != nil {
		return usage(err, "limits are min:max, such as --cores-total 0:320; expanders stand with commas between them")
	}
	return nil
}

// policy is what the flags say; they have been checked.
func (f *scaleFlags) policy() scale.Policy {
	p, _ := f.read()
	return p
}

func (f *scaleFlags) read() (scale.Policy, error) {
	p := scale.Policy{
		YoungNode: f.young, Expander: f.expander, Balance: f.balance, IgnoreLabels: f.ignoreLabels, MaxGrowth: f.most,
		NewPodDelay: f.newPod, DelayAfterAdd: f.afterAdd, DelayAfterDelete: f.afterDelete, DelayAfterFailure: f.afterFailure,
		UnneededFor: f.unneeded, JoinTimeout: f.provision, UtilizationPercent: int32(100*f.utilization + 0.5), PriorityCutoff: &f.cutoff,
		BackoffFirst: f.backoffFirst, BackoffMax: f.backoffMax, BackoffForget: f.backoffForget, AskCapacity: f.ask,
		MinReplicaCount: f.replicas, SystemPodsFor: &f.systemPods,
	}
	var err error
	if p.Limits.Cores, err = limit.ParseRange(f.cores); err != nil {
		return p, fmt.Errorf("--cores-total: %w", err)
	}
	memory, err := limit.ParseRange(f.memory)
	if err != nil {
		return p, fmt.Errorf("--memory-total: %w", err)
	}
	p.Limits.Memory = memory.Times(1 << 30)
	if p.Limits.GPUs, err = limit.ParseGPUs(f.gpus); err != nil {
		return p, fmt.Errorf("--gpu-total: %w", err)
	}
	if f.nodes > 0 {
		p.Limits.Nodes = limit.AtMost(float64(f.nodes))
	}
	if f.spend > 0 {
		p.Limits.Spend = limit.AtMost(f.spend)
	}
	return p, nil
}
