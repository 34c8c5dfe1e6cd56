package okesim

import (
	"slices"
	"time"
)

// A Cluster is an OKE cluster. The emulator needs its version (for skew), its type and its address; it has no life cycle.
type Cluster struct {
	ID                string // assigned by AddCluster if empty
	Name              string
	CompartmentID     string // default: [Sim.Compartment]
	KubernetesVersion string // control plane, "v1.35.0"; default: the newest seeded
	Type              string // "ENHANCED_CLUSTER" (default) or "BASIC_CLUSTER"
	VCNID             string // assigned if empty
	Endpoint          string // host:port of the Kubernetes API, as GetCluster shows it (private endpoint, and the public one if there is no other)
	PublicEndpoint    string // host:port; empty means that the API has no public address
	VCNHostname       string // host:port inside the VCN
	CNI               string // default of its pools; "FLANNEL_OVERLAY" if empty
	Created           time.Time

	revision int
	updating int // work requests
	addons   []Addon
}

// AddCluster adds an ACTIVE cluster and returns its OCID. Its compartment becomes known to the API.
func (s *Sim) AddCluster(c Cluster) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	setDefault := func(field *string, value func() string) {
		if *field == "" {
			*field = value()
		}
	}
	setDefault(&c.ID, func() string { return s.newOCID("cluster") })
	setDefault(&c.CompartmentID, s.Compartment)
	setDefault(&c.KubernetesVersion, func() string { return kubernetesVersions[len(kubernetesVersions)-1] })
	setDefault(&c.Type, func() string { return "ENHANCED_CLUSTER" })
	setDefault(&c.VCNID, func() string { return s.newOCID("vcn") })
	setDefault(&c.CNI, func() string { return cniFlannel })
	c.revision, c.updating, c.addons = 0, 0, nil
	c.Created = time.Now()
	s.compartment[c.CompartmentID] = true
	s.essentialAddons(&c)
	s.clusters = append(s.clusters, &c)
	return c.ID
}

// SetClusterVersion upgrades the control plane of a cluster at once, as if the upgrade had been waited for.
func (s *Sim) SetClusterVersion(id, version string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findCluster(id)
	if err != nil {
		return err
	}
	c.KubernetesVersion = version
	c.revision++
	return nil
}

func (s *Sim) findCluster(id string) (*Cluster, error) {
	i := slices.IndexFunc(s.clusters, func(c *Cluster) bool { return c.ID == id })
	if i < 0 {
		return nil, errNotFound("cluster", id)
	}
	return s.clusters[i], nil
}

// findCompartment refuses a compartment that nothing lives in, as the service does for one that the caller may not see.
func (s *Sim) findCompartment(id string) error {
	if id == "" {
		return errMissing("compartmentId")
	}
	if !s.compartment[id] {
		return errNotFound("compartment", id)
	}
	return nil
}
