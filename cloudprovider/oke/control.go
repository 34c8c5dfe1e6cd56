package oke

import (
	"context"
	"fmt"
	"time"

	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// control is what the cluster's control plane says of itself, as far as node
// pools depend on it.
type control struct {
	kubernetes string // "v1.36.3"
	// compartment is the cluster's own; its node pools may be in another.
	compartment string
	basic       bool // a basic cluster, which has no cycling and no virtual nodes
}

// controlAge is how old it may be. An upgrade of the control plane takes longer,
// and one that is not seen yet refuses a version that a minute later it takes.
const controlAge = time.Minute

// controlPlane reads the cluster.
func (p *Provider) controlPlane(ctx context.Context) (control, error) {
	p.mu.Lock()
	known := p.control
	p.mu.Unlock()
	if known.younger(controlAge) {
		return known.value, nil
	}
	r, err := call(ctx, p, p.readPolicy, "GetCluster", func(ctx context.Context) (containerengine.GetClusterResponse, error) {
		return p.reads.GetCluster(ctx, containerengine.GetClusterRequest{ClusterId: &p.cluster})
	})
	if err != nil {
		return control{}, fmt.Errorf("read cluster %s: %w", p.cluster, err)
	}
	c := control{kubernetes: str(r.KubernetesVersion), compartment: str(r.CompartmentId), basic: r.Type == containerengine.ClusterTypeBasicCluster}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.control = remembered[control]{c, time.Now()}
	return c, nil
}

// checkSkew is Kubernetes' rule and OKE's: a worker is never newer than the
// control plane and at most three minors older, two below 1.28. A version that
// cannot be read is the service's to judge.
func checkSkew(worker, controlPlane string) error {
	w, c := minor(worker), minor(controlPlane)
	if !plausible(w) || !plausible(c) {
		return nil
	}
	most := 3
	if c < 28 {
		most = 2
	}
	switch {
	case compareVersions(worker, controlPlane) > 0:
		return fmt.Errorf("%w: %s is newer than the control plane's %s: upgrade the cluster first", cloudprovider.ErrInvalid, worker, controlPlane)
	case c-w > most:
		return fmt.Errorf("%w: %s is %d minor versions behind the control plane's %s, %d are allowed", cloudprovider.ErrInvalid, worker, c-w, controlPlane, most)
	}
	return nil
}

// plausible is whether a minor version was read: minor gives the largest number
// for what it cannot read.
func plausible(minor int) bool { return minor < 1000 }
