package okesim

import (
	"maps"
	"slices"
	"time"
)

// States of a compute instance.
const (
	stateProvisioning = "PROVISIONING"
	stateRunning      = "RUNNING"
	stateStopping     = "STOPPING"
	stateStopped      = "STOPPED"
	stateStarting     = "STARTING"
	stateTerminating  = "TERMINATING"
	stateTerminated   = "TERMINATED"
)

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
	Boots              int    // how often it has booted
}

// instance is the emulator's side of an Instance.
type instance struct {
	Instance
	place      Placement
	tags       map[string]string
	made       traits // what the node was made with
	bootVolume string
	console    string      // empty: a boot log
	planned    Maintenance // none without a Start
	revision   int
	terminated time.Time
}

func (i *instance) set(state string) {
	i.State = state
	i.revision++
	if state == stateTerminated {
		i.terminated = time.Now()
	}
}

// view is a copy that the caller may keep and change.
func (i *instance) view() Instance {
	v := i.Instance
	v.Labels = maps.Clone(v.Labels)
	v.Metadata = maps.Clone(v.Metadata)
	return v
}

// Instances returns the instances that exist, those being launched or terminated included, in order of launch.
func (s *Sim) Instances() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Instance
	for _, i := range s.instances {
		if i.State != stateTerminated {
			all = append(all, i.view())
		}
	}
	return all
}

// Instance returns one instance; terminated ones are found for an hour.
func (s *Sim) Instance(id string) (Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(id)
	if err != nil {
		return Instance{}, err
	}
	return i.view(), nil
}

func (s *Sim) findInstance(id string) (*instance, error) {
	if i, ok := s.byInstance[id]; ok {
		return i, nil
	}
	return nil, errNotFound("instance", id)
}

// forget drops instances that were terminated more than an hour ago, as Compute does.
func (s *Sim) forget() {
	s.instances = slices.DeleteFunc(s.instances, func(i *instance) bool {
		old := i.State == stateTerminated && time.Since(i.terminated) > time.Hour
		if old {
			delete(s.byInstance, i.ID)
		}
		return old
	})
}
