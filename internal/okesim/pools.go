package okesim

import (
	"slices"
	"time"
)

// States of a node pool.
const (
	poolCreating       = "CREATING"
	poolActive         = "ACTIVE"
	poolUpdating       = "UPDATING"
	poolDeleting       = "DELETING"
	poolNeedsAttention = "NEEDS_ATTENTION"
)

// pool is the emulator's side of a Pool.
type pool struct {
	id       string
	spec     Pool
	state    string
	details  string
	revision int // behind the etag
	created  time.Time
	nodes    []*node
	busy     int // work requests that are not finished
	cycling  *cycling
}

func (p *pool) etag() string { return etag(p.id, p.revision) }

func (p *pool) setState(state, details string) {
	if p.state != state {
		p.state = state
		p.revision++
	}
	p.details = details
}

func (p *pool) view() PoolView {
	v := PoolView{ID: p.id, Pool: p.spec.clone(), State: p.state, Details: p.details, ETag: p.etag(), Created: p.created}
	for _, n := range p.nodes {
		v.Nodes = append(v.Nodes, n.view())
	}
	return v
}

// AddPool creates a pool as CreateNodePool does, without HTTP, and returns its OCID. Its instances start at once.
func (s *Sim) AddPool(spec Pool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, _, err := s.createPool(spec)
	if err != nil {
		return "", err
	}
	return p.id, nil
}

func (s *Sim) createPool(spec Pool) (*pool, *workRequest, error) {
	c, err := s.findCluster(spec.ClusterID)
	if err != nil {
		return nil, nil, err
	}
	spec = spec.clone()
	if err := s.complete(&spec, c); err != nil {
		return nil, nil, err
	}
	if err := spec.check(s); err != nil {
		return nil, nil, err
	}
	if err := s.checkRelease(spec, c); err != nil {
		return nil, nil, err
	}
	s.compartment[spec.CompartmentID] = true
	p := &pool{id: s.newOCID("nodepool"), spec: spec, state: poolCreating, created: time.Now()}
	s.pools = append(s.pools, p)
	w := s.newWork(p, "NODEPOOL_CREATE", "CREATED")
	s.reconcile(p, w)
	return p, w, nil
}

// UpdatePool changes a pool as UpdateNodePool does and returns the work request's OCID. An empty ifMatch matches any etag.
// Errors are of type [*Error].
func (s *Sim) UpdatePool(id string, u PoolUpdate, ifMatch string) (workRequestID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, err := s.updatePool(id, u, ifMatch, eviction{})
	if err != nil {
		return "", err
	}
	return w.ID, nil
}

func (s *Sim) updatePool(id string, u PoolUpdate, ifMatch string, how eviction) (*workRequest, error) {
	p, err := s.writable(id, ifMatch)
	if err != nil {
		return nil, err
	}
	if err := s.checkCycling(p, u); err != nil {
		return nil, err
	}
	next := p.spec.merge(u)
	if err := next.check(s); err != nil {
		return nil, err
	}
	if u.KubernetesVersion != nil || u.ImageID != nil || u.Shape != nil {
		c, err := s.findCluster(next.ClusterID)
		if err != nil {
			return nil, err
		}
		if err := s.checkRelease(next, c); err != nil {
			return nil, err
		}
	}
	p.spec = next
	p.revision++
	operation := "NODEPOOL_UPDATE"
	if u.Cycling != nil {
		operation = "NODEPOOL_CYCLING"
	}
	w := s.newWork(p, operation, "UPDATED")
	w.evict = how
	s.retryMarked(p, w)
	if u.Cycling != nil {
		s.beginCycling(p, *u.Cycling, w)
	}
	if u.Placements != nil {
		s.vacate(p, w)
	}
	s.reconcile(p, w)
	s.step(p)
	return w, nil
}

// DeletePool deletes a pool with all its nodes, as a person would in the console. An unknown pool is left alone.
func (s *Sim) DeletePool(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.deletePool(id, "", eviction{})
}

func (s *Sim) deletePool(id, ifMatch string, how eviction) (*workRequest, error) {
	p, err := s.writable(id, ifMatch)
	if err != nil {
		return nil, err
	}
	p.revision++
	w := s.newWork(p, "NODEPOOL_DELETE", "DELETED")
	w.evict = how
	p.setState(poolDeleting, "")
	p.spec.Size = 0
	s.abandonCycling(p)
	s.retryMarked(p, w)
	s.reconcile(p, w)
	return w, nil
}

// writable finds a pool that a write may touch now.
func (s *Sim) writable(id, ifMatch string) (*pool, error) {
	p, err := s.findPool(id)
	if err != nil {
		return nil, err
	}
	if err := matchEtag(ifMatch, p.etag()); err != nil {
		return nil, err
	}
	if p.state == poolDeleting {
		return nil, errIncorrectState("node pool %s is being deleted", id)
	}
	if p.busy > 0 && s.opt.WritesOnUpdating == "409" {
		return nil, errIncorrectState("node pool %s is %s: wait for its work request", id, p.state)
	}
	return p, nil
}

// settle gives a pool without work under way its resting state.
func (s *Sim) settle(p *pool) {
	if p.state == poolDeleting {
		if len(p.nodes) == 0 {
			s.pools = slices.DeleteFunc(s.pools, func(other *pool) bool { return other == p })
		}
		return
	}
	for _, n := range p.nodes {
		if n.fault != nil {
			p.setState(poolNeedsAttention, n.fault.Message)
			return
		}
		if n.marked {
			p.setState(poolNeedsAttention, "node "+n.name+" is marked for deletion and could not be deleted")
			return
		}
	}
	p.setState(poolActive, "")
}

// Pools returns every pool, in order of creation.
func (s *Sim) Pools() []PoolView {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []PoolView
	for _, p := range s.pools {
		all = append(all, p.view())
	}
	return all
}

// Pool returns one pool. The error is of type [*Error].
func (s *Sim) Pool(id string) (PoolView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.findPool(id)
	if err != nil {
		return PoolView{}, err
	}
	return p.view(), nil
}

func (s *Sim) findPool(id string) (*pool, error) {
	i := slices.IndexFunc(s.pools, func(p *pool) bool { return p.id == id })
	if i < 0 {
		return nil, errNotFound("node pool", id)
	}
	return s.pools[i], nil
}
