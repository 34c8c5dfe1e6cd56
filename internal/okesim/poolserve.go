package okesim

import "slices"

func (s *Sim) serveListNodePools(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	states, err := c.oneOf("lifecycleState", poolCreating, poolActive, poolUpdating, poolDeleting, "DELETED", "FAILED", "INACTIVE", poolNeedsAttention)
	if err != nil {
		return nil, err
	}
	cluster, name := c.query("clusterId"), c.query("name")
	pools := filter(s.pools, func(p *pool) bool {
		return p.spec.CompartmentID == c.query("compartmentId") && (cluster == "" || p.spec.ClusterID == cluster) &&
			(name == "" || p.spec.Name == name) && (len(states) == 0 || slices.Contains(states, p.state))
	})
	pools, err = sorted(c, pools, []string{"TIME_CREATED", "ID", "NAME"}, map[string]func(a, b *pool) int{
		"TIME_CREATED": func(a, b *pool) int { return a.created.Compare(b.created) },
		"ID":           ascending(func(p *pool) string { return p.id }),
		"NAME":         ascending(func(p *pool) string { return p.spec.Name }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, pools, func(p *pool) string { return p.id }, s.wirePoolSummary)
}

func (s *Sim) serveGetNodePool(c *call) (*answer, error) {
	p, err := s.findPool(c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	return ok(s.wirePool(p)).with("etag", p.etag()), nil
}

func (s *Sim) serveCreateNodePool(c *call) (*answer, error) {
	var body poolWrite
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	for name, value := range map[string]*string{"compartmentId": body.CompartmentID, "clusterId": body.ClusterID, "name": body.Name, "nodeShape": body.NodeShape} {
		if value == nil {
			return nil, errMissing(name)
		}
	}
	if body.NodeImageName != nil {
		return nil, errInvalid("nodeImageName is deprecated: use nodeSourceDetails")
	}
	if err := s.findCompartment(*body.CompartmentID); err != nil {
		return nil, err
	}
	u, err := body.update()
	if err != nil {
		return nil, err
	}
	spec := Pool{ClusterID: *body.ClusterID, CompartmentID: *body.CompartmentID}.merge(u)
	return s.once(c, func() (*answer, error) {
		_, w, err := s.createPool(spec)
		if err != nil {
			return nil, err
		}
		return accepted(w), nil
	})
}

func (s *Sim) serveUpdateNodePool(c *call) (*answer, error) {
	how, err := s.removal(c, c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	var body poolWrite
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if body.CompartmentID != nil || body.ClusterID != nil || body.NodeImageName != nil {
		return nil, errInvalid("compartmentId, clusterId and nodeImageName cannot be changed")
	}
	u, err := body.update()
	if err != nil {
		return nil, err
	}
	w, err := s.updatePool(c.PathValue("pool"), u, c.ifMatch(), how)
	if err != nil {
		return nil, err
	}
	return accepted(w), nil
}

func (s *Sim) serveDeleteNodePool(c *call) (*answer, error) {
	how, err := s.removal(c, c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	w, err := s.deletePool(c.PathValue("pool"), c.ifMatch(), how)
	if err != nil {
		return nil, err
	}
	return accepted(w), nil
}

func (s *Sim) serveDeleteNode(c *call) (*answer, error) {
	how, err := s.removal(c, c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	decrement, err := c.flag("isDecrementSize")
	if err != nil {
		return nil, err
	}
	w, err := s.deleteNode(c.PathValue("pool"), c.PathValue("node"), decrement, c.ifMatch(), how)
	if err != nil {
		return nil, err
	}
	return accepted(w), nil
}
