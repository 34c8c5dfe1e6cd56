package doctor

import "time"

// Policy are the numbers that do not belong to one check or one pool. A zero
// field means its default.
type Policy struct {
	// BootGrace is how long a new node may be neither Ready nor complete before
	// that is a failure. Default 20m, the time after which OKE itself calls a VM
	// node lost; BootGraceMetal the same for bare metal, 60m.
	BootGrace, BootGraceMetal time.Duration
	// Heartbeat is how old the verdict on a Node may get before it is written
	// again unchanged. Default 5m, as the kubelet does with its own conditions.
	Heartbeat time.Duration
	// CheckTimeout is how long one check may take on one patient. Default 5s.
	CheckTimeout time.Duration
	// CommonShare and CommonCount are the share of the cluster's nodes, and the
	// number, above which one check failing on many of them is taken for a
	// common cause. Both must be exceeded. Defaults 0.3 and 3.
	CommonShare float64
	CommonCount int
	// RepairAfter and MaxBroken are used where a Pool's repair spec does not say.
	// Defaults 10m and 20%.
	RepairAfter time.Duration
	MaxBroken   string
}

func (p Policy) withDefaults() Policy {
	p.BootGrace = or(p.BootGrace, 20*time.Minute)
	p.BootGraceMetal = or(p.BootGraceMetal, 60*time.Minute)
	p.Heartbeat = or(p.Heartbeat, 5*time.Minute)
	p.CheckTimeout = or(p.CheckTimeout, 5*time.Second)
	p.CommonShare = or(p.CommonShare, 0.3)
	p.CommonCount = or(p.CommonCount, 3)
	p.RepairAfter = or(p.RepairAfter, 10*time.Minute)
	p.MaxBroken = or(p.MaxBroken, "20%")
	return p
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
