package okesim

import (
	"encoding/json"
	"time"
)

// A Pool is the specification of a node pool: what new nodes get, how many there should be and where.
type Pool struct {
	ClusterID         string
	CompartmentID     string // default: the cluster's
	Name              string
	Shape             string
	OCPUs             float32 // flexible shapes only; default 1 (fixed shapes have theirs)
	MemoryGB          float32 // flexible shapes only; default: OCPUs times the shape's default
	Size              int
	Placements        []Placement
	KubernetesVersion string            // "v1.34.1"; default: the cluster's
	ImageID           string            // default: the newest OKE image for version and shape
	BootVolumeGB      int               // default 50, at least 50
	Labels            map[string]string // initialNodeLabels
	Metadata          map[string]string // nodeMetadata
	FreeformTags      map[string]string
	CNI               string // "OCI_VCN_IP_NATIVE" or "FLANNEL_OVERLAY" (default)
	MaxPods           int    // VCN-native only; default 31 per secondary VNIC, at most 110

	// Opaque keeps fields that the emulator stores and returns but does not act on, by their JSON name
	// ("sshPublicKey", "nodeConfigDetails.nsgIds", ...).
	Opaque map[string]json.RawMessage
}

// A Placement is one place where a pool may put nodes.
type Placement struct {
	AD                    string   // "Uocm:US-ASHBURN-AD-1"
	FaultDomains          []string // default: all of the AD
	SubnetID              string
	CapacityReservationID string
	Preemptible           bool
}

// PoolView is a pool as it is now.
type PoolView struct {
	ID string
	Pool
	State   string // CREATING ACTIVE UPDATING DELETING NEEDS_ATTENTION
	Details string // why, in words
	ETag    string // changes with the specification and with State, not with a node's progress
	Created time.Time
	Nodes   []NodeView // in order of creation
}

// NodeView is one entry of a pool's node list.
type NodeView struct {
	ID                string // instance OCID; empty before the launch and after a failed one
	Name              string
	State             string // CREATING UPDATING ACTIVE DELETING
	KubernetesVersion string
	AD                string
	FaultDomain       string
	SubnetID          string
	PrivateIP         string
	Error             *NodeError
	Created           time.Time
}

// NodeError says why a node could not be made.
type NodeError struct {
	Code    string // "LimitExceeded", "InternalError", ...
	Message string
	Status  string // an HTTP status as text
}

// PoolUpdate is a change of a pool. Nil means unchanged, as an absent field does on the wire.
type PoolUpdate struct {
	Name              *string
	KubernetesVersion *string
	ImageID           *string
	BootVolumeGB      *int
	Shape             *string
	OCPUs, MemoryGB   *float32
	Size              *int
	Placements        []Placement
	Labels            map[string]string
	Metadata          map[string]string
	FreeformTags      map[string]string
	CNI               *string
	MaxPods           *int
	Cycling           *Cycling // starts the service's own node cycling
	Opaque            map[string]json.RawMessage
}
