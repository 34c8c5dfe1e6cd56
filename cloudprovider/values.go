package cloudprovider

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// PoolID is the cloud's name of a pool; on OKE the node pool's OCID.
type PoolID string

// InstanceID is the cloud's name of a machine, equal to the Node's
// spec.providerID byte for byte; on OKE the compute instance's OCID. An entry
// that never became a machine has a placeholder, see [Placeholder].
type InstanceID string

const placeholderPrefix = "tidemill-placeholder/"

// Placeholder makes the ID of an entry of a pool that has no machine. n tells
// the pool's entries apart and must not change while the entry is there; it
// need not be dense. The pool can be read off the ID alone ([InstanceID.PlaceholderPool]):
// callers of the plugin protocol get nothing else.
func Placeholder(pool PoolID, n int) InstanceID {
	return InstanceID(fmt.Sprintf("%s%s/%d", placeholderPrefix, pool, n))
}

// Placeholder reports whether the ID stands for an entry without a machine.
func (id InstanceID) Placeholder() bool { return strings.HasPrefix(string(id), placeholderPrefix) }

// PlaceholderPool is the pool that a placeholder was made for; "" for the ID of
// a machine.
func (id InstanceID) PlaceholderPool() PoolID {
	rest, ok := strings.CutPrefix(string(id), placeholderPrefix)
	if i := strings.LastIndex(rest, "/"); ok && i >= 0 {
		return PoolID(rest[:i])
	}
	return ""
}

// Zone is a failure domain as the Node's label topology.kubernetes.io/zone
// spells it; on OKE the availability domain without its tenancy prefix
// ("US-ASHBURN-AD-1").
type Zone string

// A NodePool is a resizable set of like instances.
type NodePool struct {
	ID   PoolID
	Name string

	// Size is what was asked for, not what runs.
	Size int
	// Min and Max are the cloud's own bounds, 0 when it states none. The user's
	// bounds are in the Pool object.
	Min, Max int

	// Release is what a NEW instance gets.
	Release Release
	// Shape is the machine type in the cloud's words ("VM.Standard.E4.Flex").
	Shape string

	// Placements say where instances may land, in the pool's order. The cloud
	// picks among them; a caller cannot.
	Placements []Placement

	// Preemptible is whether the cloud may take the pool's machines back at any
	// time, which is why they are cheap.
	Preemptible bool
	// Virtual is whether the pool has no machines of its own (virtual nodes): it
	// is shown and never changed.
	Virtual bool

	// Tags are the user's labels on the pool in the cloud. A tag that belongs to
	// a namespace has it before a dot, "ns.key".
	Tags map[string]string

	// Settings are what a new instance gets beside its release, by the names of
	// fields as a user knows them ("metadata", "bootVolume"), in any form that can
	// be compared; empty where the cloud does not tell.
	Settings map[string]string

	Health Health
}

// Zones lists the pool's zones in the order of its placements, each once.
func (p NodePool) Zones() []Zone {
	var zones []Zone
	seen := map[Zone]bool{}
	for _, pl := range p.Placements {
		if !seen[pl.Zone] {
			seen[pl.Zone] = true
			zones = append(zones, pl.Zone)
		}
	}
	return zones
}

// Placement is one place where a pool's instances may land, and what a new
// Node there looks like.
type Placement struct {
	Zone         Zone
	FaultDomains []string
	// Template is a Node as it will register: labels, taints, capacity,
	// allocatable. Name and providerID are empty. DaemonSet pods are not
	// subtracted.
	Template corev1.Node
	// Price is what a new Node there costs by list, in US dollars an hour; 0
	// means that it is not known, never that it is free.
	Price float64
}

// Release is what an instance boots.
type Release struct {
	// Kubernetes is the kubelet's version, "v1.34.1".
	Kubernetes string
	// Image is the image's ID, ImageName its name; either may be empty when the
	// cloud does not tell.
	Image, ImageName string
}

// String gives the version, and the image's name when it is known.
func (r Release) String() string {
	if r.ImageName == "" {
		return r.Kubernetes
	}
	return r.Kubernetes + " (" + r.ImageName + ")"
}

// Health is what is known of a pool beyond its numbers.
type Health struct {
	// Observed is when the values were read from the cloud.
	Observed time.Time
	// Err says why the values are older than the last attempt; nil when fresh.
	Err error
	// Updating is set while the cloud works on the pool.
	Updating bool
	// Warnings name what the pool says of its nodes and the driver could not
	// understand (a tag, a kubelet argument, a script), one sentence each. The
	// values are good without it; a person should mend it.
	Warnings []string
}

// Instance is one machine of a pool, or an entry that failed to become one.
type Instance struct {
	ID   InstanceID
	Pool PoolID
	// Name is the cloud's display name; never used to match Nodes.
	Name string
	Zone Zone
	// Address is the one under which the cloud made the machine, "" when it does not
	// tell. Where Nodes are named by it, it tells which of two is the machine's.
	Address string
	// FaultDomain is "" when unknown.
	FaultDomain string
	// Release is what this instance booted; Image is "" when the cloud does not
	// tell per instance.
	Release Release
	State   State
	// Created is the zero time when the cloud does not tell.
	Created time.Time
	// Settings are what this instance got, by the same names as the pool's; a
	// name that is missing on either side is not known to differ.
	Settings map[string]string
	// Fault says what is wrong; nil when nothing is known to be.
	Fault *Fault
}

// State is the life of an instance as far as decisions need it.
type State int

const (
	// StateUnknown is a state that this version does not know: the instance is
	// neither counted as available nor deleted.
	StateUnknown State = iota
	// Creating is asked for or booting; a Node may not exist yet.
	Creating
	// Running has booted; whether its Node works is Kubernetes' business.
	Running
	// Deleting is on its way out and still counts against ceilings.
	Deleting
	// Stopped is a machine that exists and does not run.
	Stopped
	// Failed will not become a machine by itself; see Fault.
	Failed
)

var stateNames = [...]string{"Unknown", "Creating", "Running", "Deleting", "Stopped", "Failed"}

// String gives the state's name.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "Unknown"
	}
	return stateNames[s]
}

// FaultClass sorts faults by what helps against them.
type FaultClass int

const (
	// FaultUnknown is a fault that no other class claims.
	FaultUnknown FaultClass = iota
	// FaultCapacity is "out of host capacity": try elsewhere, or later.
	FaultCapacity
	// FaultLimit is a service limit of the tenancy: a person must ask for more.
	FaultLimit
	// FaultQuota is a quota an administrator has set.
	FaultQuota
	// FaultRegistration is a machine that runs and never became a Node.
	FaultRegistration
	// FaultImage is an image that is missing or does not fit.
	FaultImage
	// FaultNetwork is a subnet, address or VNIC problem.
	FaultNetwork
	// FaultLost is a machine that is proven not to exist any more, though its pool
	// goes on listing it: only a new one helps. A driver says so when it has asked
	// twice, at different times.
	FaultLost
)

var faultNames = [...]string{"Unknown", "OutOfHostCapacity", "LimitExceeded", "QuotaExceeded", "RegistrationTimeout", "Image", "Network", "MachineLost"}

// String gives the class as events and metrics spell it.
func (c FaultClass) String() string {
	if c < 0 || int(c) >= len(faultNames) {
		return "Unknown"
	}
	return faultNames[c]
}

// Fault is why an instance is not what it should be.
type Fault struct {
	Class FaultClass
	// Code and Message are the cloud's own words.
	Code, Message string
}

// Cycling bounds a turn-over that the cloud carries out itself.
type Cycling struct {
	// InPlace replaces boot volumes instead of machines.
	InPlace bool
	// MaxSurge and MaxUnavailable are numbers of nodes.
	MaxSurge, MaxUnavailable int
	// Grace is how long the cloud waits for pods to leave a node, at most an
	// hour; Force is whether it goes on then against their will.
	Grace time.Duration
	Force bool
}

// Capacity is whether a machine of a pool's shape is to be had in a placement.
type Capacity struct {
	Zone        Zone
	FaultDomain string // "" for the zone as a whole
	// Available is nil when the cloud does not tell the number.
	Available *int
	// Fault says why none is to be had; nil when some is.
	Fault *Fault
}
