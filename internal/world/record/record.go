// Package record writes a look at the world into a file, and reads it back.
//
//	world.Snapshot ─► Of ─► Record ─► Write ─► gzip JSON ─► Read ─► Record.Snapshot ─► the same plan
//	                         │ strip
//	                         └ what decisions do not look at stays behind
//
// A file answers a question far from the cluster that it is about: why does this
// pod wait, what would the next version do here. So it must hold all that
// decisions look at, and nothing that is nobody's business: of containers only
// names, requests and ports are kept, no image, command, environment or probe; of
// volumes no Secret's name; of annotations only those that decisions read.
// Secrets and ConfigMaps are not read in the first place.
//
// The snapshot is not stored as it is but taken apart into the objects and the
// cloud's answer that it was joined from. Reading joins them again by world.Join:
// there is one way to make a snapshot.
//
// A file comes from somebody else. Reading bounds what it costs (compressed
// size, size, number of objects), refuses what no cluster could have said, and
// answers in one sentence. The format has a version; a reader refuses versions
// that it does not know and ignores fields that it does not know.
package record

import (
	"errors"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Version of the format that Write writes and Read reads.
const Version = 1

// Format is what a file says it is.
const Format = "tidemill-snapshot"

// Record is a file's content.
type Record struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// By is the version of tidemill that wrote the file.
	By string `json:"by,omitempty"`

	Now          time.Time     `json:"now"`
	ControlPlane string        `json:"controlPlane,omitempty"`
	Objects      world.Objects `json:"objects"`
	Cloud        Cloud         `json:"cloud"`
	// Notes are what a command wants to find again with the snapshot; their
	// meaning is the command's.
	Notes map[string]RawNote `json:"notes,omitempty"`
}

// Cloud is cloudprovider.Cloud with errors as text.
type Cloud struct {
	Pools     []Pool                                            `json:"pools"`
	Instances map[cloudprovider.PoolID][]cloudprovider.Instance `json:"instances"`
	Observed  time.Time                                         `json:"observed"`
	Err       string                                            `json:"error,omitempty"`
}

// Pool is a node pool with its error as text.
type Pool struct {
	cloudprovider.NodePool
	Err string `json:"error,omitempty"`
}

// Of takes a snapshot apart. The Record shares nothing with it that is changed
// later.
func Of(s *world.Snapshot) Record {
	r := Record{
		Format: Format, Version: Version, Now: s.Now, ControlPlane: s.ControlPlane,
		Cloud: Cloud{Observed: s.CloudObserved, Err: text(s.CloudErr), Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{}},
	}
	for _, p := range s.Pools {
		cp := p.Cloud
		cp.Health.Err = nil
		cp.Tags = nil
		r.Cloud.Pools = append(r.Cloud.Pools, Pool{cp, text(p.Cloud.Health.Err)})
		if p.Object != nil {
			r.addPool(p.Object)
		}
		for _, n := range p.Nodes {
			if n.Instance != nil {
				r.Cloud.Instances[cp.ID] = append(r.Cloud.Instances[cp.ID], *n.Instance)
			}
			r.addNode(n)
		}
	}
	for _, n := range s.Unmanaged {
		r.addNode(n)
	}
	for _, o := range s.Orphans {
		r.addPool(o.Object)
	}
	for _, pod := range s.Pending {
		r.Objects.Pods = append(r.Objects.Pods, strippedPod(pod))
	}
	r.addOthers(s)
	return r
}

func (r *Record) addPool(p *v1alpha1.Pool) {
	c := *p
	c.ObjectMeta = meta(p.ObjectMeta)
	r.Objects.Pools = append(r.Objects.Pools, c)
}

func (r *Record) addNode(n *world.Node) {
	if n.Object != nil {
		r.Objects.Nodes = append(r.Objects.Nodes, strippedNode(n.Object))
	}
	for _, pod := range n.Pods {
		r.Objects.Pods = append(r.Objects.Pods, strippedPod(pod))
	}
}

// Snapshot joins the parts again.
func (r Record) Snapshot() *world.Snapshot {
	cloud := cloudprovider.Cloud{Instances: r.Cloud.Instances, Observed: r.Cloud.Observed, Err: failure(r.Cloud.Err)}
	if cloud.Instances == nil {
		cloud.Instances = map[cloudprovider.PoolID][]cloudprovider.Instance{}
	}
	for _, p := range r.Cloud.Pools {
		p.Health.Err = failure(p.Err)
		cloud.Pools = append(cloud.Pools, p.NodePool)
	}
	s := world.Join(r.Objects, cloud, r.Now)
	s.ControlPlane = r.ControlPlane
	return s
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func failure(s string) error {
	if s == "" {
		return nil
	}
	return errors.New(s)
}
