package scale

import (
	"time"

	corev1 "k8s.io/api/core/v1"
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
	// BrakePercent is the share of broken or lost nodes above which nothing is
	// let go: a common cause is likelier than so many idle nodes. Default 45.
	BrakePercent int
}

func (p Policy) withDefaults() Policy {
	if len(p.Schedulers) == 0 {
		p.Schedulers = []string{corev1.DefaultSchedulerName}
	}
	if p.PriorityCutoff == nil {
		cutoff := int32(-10)
		p.PriorityCutoff = &cutoff
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
	return p
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
