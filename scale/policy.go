package scale

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/scale/choose"
	"github.com/tidemill/tidemill/scale/limit"
)

// Policy tunes decisions for the whole cluster; a pool's own settings are in its
// Pool. A field left zero has the default said in its comment.
type Policy struct {
	// Schedulers are the schedulerNames whose pods are helped. Default:
	// default-scheduler alone.
	Schedulers []string
	// PriorityCutoff: pods below it wait for room and never make a pool grow.
	// Default -10, as cluster-autoscaler's expendable pods.
	PriorityCutoff *int32
	// JoinTimeout is how long a machine may take to become a Ready node; after
	// that no pod is said to be helped by it. Default 25m.
	JoinTimeout time.Duration
	// YoungNode is the age below which a node is never unneeded: the pods it was
	// made for are still on their way. Default 2m.
	YoungNode time.Duration
	// UnneededFor is the default of a Pool's scale.down.unneededFor: 10m.
	UnneededFor time.Duration
	// UtilizationPercent is the default of a Pool's
	// scale.down.utilizationPercent: 50.
	UtilizationPercent int32
	// MinReplicaCount: pods of a ReplicaSet or ReplicationController with fewer
	// replicas are not moved. Default 0: none is too few.
	MinReplicaCount int
	// SystemPodsFor is how long after its creation a pod of kube-system that no
	// PodDisruptionBudget covers keeps its node. Default 1h; 0 for not at all.
	SystemPodsFor *time.Duration
	// MaxEmpty is how many empty nodes one look may let go. Default 50.
	MaxEmpty int
	// MaxDrains is how many nodes with pods may be leaving at one time. Default 3.
	MaxDrains int
	// MaxSimulated is how many nodes with pods one look tries to empty in
	// simulation: it bounds the time of a look. Default 60.
	MaxSimulated int
	// BackoffFirst and BackoffMax bound how long a pool is left alone after a
	// failed growth; the wait doubles with each failure. Default 5m and 30m.
	BackoffFirst, BackoffMax time.Duration
	// BackoffForget is how long after a wait a pool's failures are forgotten.
	// Default 3h.
	BackoffForget time.Duration
	// AskCapacity: before a pool grows, the cloud is asked whether it has room.
	AskCapacity bool
	// BrakePercent is the share of broken or lost nodes above which nothing is
	// let go: a common cause is likelier than so many idle nodes. Default 45.
	BrakePercent int

	// Expander is the chain that chooses among pools, see choose.Parse. Default
	// least-cost.
	Expander string
	// Priorities are the rules of the priority expander.
	Priorities choose.Priorities
	// Balance makes pools with like nodes grow together, so that they stay about
	// as large; labels in IgnoreLabels do not make nodes unlike.
	Balance      bool
	IgnoreLabels []string
	// Limits bound all nodes of the cluster in sum.
	Limits limit.Limits
	// MaxGrowth is how many nodes one look may add, all pools together. Default
	// 1000, as cluster-autoscaler's max-nodes-per-scaleup.
	MaxGrowth int
	// Fuse stops runaway growth. It looks at the nodes that came within
	// FuseWindow, default 1h, and holds for FuseFor, default 30m.
	Fuse                limit.Fuse
	FuseWindow, FuseFor time.Duration
	// NewPodDelay is how old a pod must be before a pool grows for it, unless its
	// annotation says otherwise. Default 0.
	NewPodDelay time.Duration
	// After a scale-up, a scale-down or a failed growth of a pool no node of it is
	// let go for so long. Default 0: nodes are protected one by one, by YoungNode
	// and UnneededFor.
	DelayAfterAdd, DelayAfterDelete, DelayAfterFailure time.Duration
}

// Check refuses what contradicts itself.
func (p Policy) Check() error {
	if _, err := p.chain(0); err != nil {
		return err
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"new pod's delay", p.NewPodDelay}, {"delay after add", p.DelayAfterAdd},
		{"delay after delete", p.DelayAfterDelete}, {"delay after failure", p.DelayAfterFailure},
	} {
		if d.d < 0 {
			return fmt.Errorf("check policy: the %s is negative: %s", d.name, d.d)
		}
	}
	if p.MinReplicaCount < 0 {
		return fmt.Errorf("check policy: %d replicas at least", p.MinReplicaCount)
	}
	if p.SystemPodsFor != nil && *p.SystemPodsFor < 0 {
		return fmt.Errorf("check policy: system pods keep their node for %s", *p.SystemPodsFor)
	}
	if p.MaxGrowth < 0 {
		return fmt.Errorf("check policy: %d nodes at most in one look", p.MaxGrowth)
	}
	return p.Limits.Check()
}

// chain is the expanders of a look that begins at seed.
func (p Policy) chain(seed uint64) (choose.Chain, error) {
	return choose.Parse(or(p.Expander, choose.LeastCost), func() choose.Priorities { return p.Priorities }, func() uint64 { return seed })
}

func (p Policy) withDefaults() Policy {
	if len(p.Schedulers) == 0 {
		p.Schedulers = []string{corev1.DefaultSchedulerName}
	}
	if p.PriorityCutoff == nil {
		cutoff := int32(-10)
		p.PriorityCutoff = &cutoff
	}
	if p.SystemPodsFor == nil {
		hour := time.Hour
		p.SystemPodsFor = &hour
	}
	p.JoinTimeout = or(p.JoinTimeout, 25*time.Minute)
	p.YoungNode = or(p.YoungNode, 2*time.Minute)
	p.UnneededFor = or(p.UnneededFor, 10*time.Minute)
	p.UtilizationPercent = or(p.UtilizationPercent, 50)
	p.MaxEmpty = or(p.MaxEmpty, 50)
	p.MaxDrains = or(p.MaxDrains, 3)
	p.MaxSimulated = or(p.MaxSimulated, 60)
	p.BackoffFirst = or(p.BackoffFirst, 5*time.Minute)
	p.BackoffMax = or(p.BackoffMax, 30*time.Minute)
	p.BackoffForget = or(p.BackoffForget, 3*time.Hour)
	p.BrakePercent = or(p.BrakePercent, 45)
	p.Expander = or(p.Expander, choose.LeastCost)
	p.MaxGrowth = or(p.MaxGrowth, 1000)
	p.FuseWindow = or(p.FuseWindow, time.Hour)
	p.FuseFor = or(p.FuseFor, 30*time.Minute)
	return p
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
