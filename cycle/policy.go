package cycle

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle/drain"
)

// Policy tunes decisions; a zero field means the default named with it.
type Policy struct {
	// MaxParallelDrains is how many nodes of a pool are emptied at once. Default 10.
	MaxParallelDrains int
	// DrainTimeout is for pools that state none. Default 30m.
	DrainTimeout time.Duration
	// SkipFor is how long a node is left alone after its drain ran out of time.
	// Default 10m.
	SkipFor time.Duration
	// JoinTimeout is how long a new node may take to become available. Default 20m.
	JoinTimeout time.Duration
	// Since is when this process began to look, or could again after a while in which
	// it saw nothing; zero means always. A new node that nobody has examined is waited
	// for from then on: while nobody looked, nobody could pass it.
	Since time.Time
	// MaxJoinFailures in one run stop it: a bad image is systematic. Default 3.
	MaxJoinFailures int
	// SurgeRetryMin and SurgeRetryMax bound the wait after the cloud had no room
	// for a surge node. Defaults 2m and 10m.
	SurgeRetryMin, SurgeRetryMax time.Duration

	// Refusals are what the cloud will not do for a pool, in its own words; known
	// to this process only, since asking again is answered again.
	Refusals map[cloudprovider.PoolID][]Refusal
	// Unasked is why OKE could not be asked just now to cycle a pool itself.
	Unasked map[cloudprovider.PoolID]string
	// Gates are the answers of the servers that gates ask.
	Gates map[GateKey]GateAnswer
	// Sizes are the sizes that this process's own writes have led to.
	Sizes map[cloudprovider.PoolID]Sizing

	// Offers are the releases a pool can boot, looked up by the shell for pools
	// that ask for another one; see [WantsOffer].
	Offers map[cloudprovider.PoolID]Offer
	// Drains are the last known progress by Node UID. They explain and are never
	// decided on.
	Drains map[types.UID]drain.Progress

	yields map[types.UID]string // the drains that give way, and why
}

// Offer is what a pool can boot, or why that is not known.
type Offer struct {
	Releases []cloudprovider.Release
	Err      error
}

// The pool's own numbers go before the policy's.

func (d *decision) joinTimeout() time.Duration {
	if s := d.pool.CycleSpec(); s != nil && s.JoinTimeout != nil && s.JoinTimeout.Duration > 0 {
		return s.JoinTimeout.Duration
	}
	return d.policy.JoinTimeout
}

func (d *decision) maxFailed() int {
	if s := d.pool.CycleSpec(); s != nil && s.MaxFailed != nil {
		return int(*s.MaxFailed)
	}
	return d.policy.MaxJoinFailures
}

func (d *decision) maxParallel() int {
	if s := d.pool.CycleSpec(); s != nil && s.MaxParallelDrains != nil {
		return int(*s.MaxParallelDrains)
	}
	return d.policy.MaxParallelDrains
}

func (d *decision) drainTimeout() time.Duration {
	if s := d.pool.CycleSpec(); s != nil && s.Drain != nil && s.Drain.Timeout != nil {
		return s.Drain.Timeout.Duration
	}
	return d.policy.DrainTimeout
}

// Work per pool and tick that is bounded: writes of taints, since a pool may
// have 2,000 nodes.
const maxTaintsPerTick = 100

func (p Policy) withDefaults() Policy {
	def := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&p.DrainTimeout, 30*time.Minute)
	def(&p.SkipFor, 10*time.Minute)
	def(&p.JoinTimeout, 20*time.Minute)
	def(&p.SurgeRetryMin, 2*time.Minute)
	def(&p.SurgeRetryMax, 10*time.Minute)
	if p.MaxParallelDrains <= 0 {
		p.MaxParallelDrains = 10
	}
	if p.MaxJoinFailures <= 0 {
		p.MaxJoinFailures = 3
	}
	return p
}
