package okesim

import "time"

// An Instance is one compute instance of a node pool, with what a kubelet on it would need to know to register its Node.
type Instance struct {
	ID                 string
	Name               string // display name, "oke-c<cluster>-n<pool>-s<subnet>-<slot>"
	PoolID             string
	ClusterID          string
	CompartmentID      string
	AvailabilityDomain string // "Uocm:US-ASHBURN-AD-1"
	FaultDomain        string // "FAULT-DOMAIN-1"
	SubnetID           string
	Shape              string
	OCPUs              float32
	MemoryGB           float32
	GPUs               int
	ImageID            string
	ImageName          string
	KubernetesVersion  string // the kubelet's, "v1.34.1"
	PrivateIP          string
	BootVolumeGB       int
	Labels             map[string]string // the pool's initialNodeLabels at launch
	Metadata           map[string]string // the pool's nodeMetadata at launch
	CNI                string            // "OCI_VCN_IP_NATIVE" or "FLANNEL_OVERLAY"
	MaxPods            int
	Preemptible        bool
	State              string // Compute's: PROVISIONING RUNNING STOPPING STOPPED STARTING TERMINATING TERMINATED
	Created            time.Time
	Arch               string // "amd64" or "arm64"
}

// HTTPFault is what an armed fault does to a request.
type HTTPFault struct {
	Status     int           // answer with this status instead of serving; 0 serves
	Code       string        // OCI error code; default by status
	Message    string        // default by status
	RetryAfter time.Duration // sent as Retry-After in whole seconds, if not 0
	Drop       bool          // serve the request, then drop the connection before the answer
	Delay      time.Duration // wait this long first
}

// A Cluster is an OKE cluster.
type Cluster struct {
	ID                string // assigned by AddCluster if empty
	Name              string
	CompartmentID     string // default: [Sim.Compartment]
	KubernetesVersion string // control plane, "v1.35.0"; default: the newest seeded
	Type              string // "ENHANCED_CLUSTER" (default) or "BASIC_CLUSTER"
	VCNID             string // assigned if empty
	Endpoint          string // host:port of the Kubernetes API, as GetCluster shows it
	CNI               string // default "FLANNEL_OVERLAY"
	Created           time.Time
}
