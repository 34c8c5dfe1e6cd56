package okesim

import (
	"maps"
)

// Actions on one node of a pool: a reboot, and a new boot volume under the same instance, address and place.

type nodeActionBody struct {
	Eviction *evictionSettings `json:"nodeEvictionSettings"`
}

func (s *Sim) serveRebootClusterNode(c *call) (*answer, error) {
	return s.serveNodeAction(c, "CLUSTER_NODE_REBOOT", func(*pool, *node) {})
}

func (s *Sim) serveReplaceBootVolumeClusterNode(c *call) (*answer, error) {
	return s.serveNodeAction(c, "CLUSTER_NODE_REPLACE_BOOT_VOLUME", func(p *pool, n *node) {
		if s.opt.BootVolumeFrom == "node" {
			s.newBootVolume(n)
			return
		}
		s.renewBootVolume(p, n)
	})
}

func (s *Sim) serveNodeAction(c *call, operation string, whileDown func(*pool, *node)) (*answer, error) {
	var body nodeActionBody
	if len(c.body) > 0 {
		if err := c.decode(&body); err != nil {
			return nil, err
		}
	}
	how := defaultEviction
	if body.Eviction != nil {
		var err error
		if how, err = body.Eviction.action(); err != nil {
			return nil, err
		}
	}
	return s.once(c, func() (*answer, error) {
		p, n, err := s.restartable(c.PathValue("cluster"), c.PathValue("node"))
		if err != nil {
			return nil, err
		}
		w := s.newWork(p, operation, "UPDATED")
		w.evict = how
		p.revision++
		s.restart(p, n, w, func() { whileDown(p, n) })
		return accepted(w), nil
	})
}

// restartable finds a node that may be taken down and brought back.
func (s *Sim) restartable(cluster, id string) (*pool, *node, error) {
	cl, err := s.findCluster(cluster)
	if err != nil {
		return nil, nil, err
	}
	p, n := s.nodeOf(id)
	if n == nil || p.spec.ClusterID != cl.ID {
		return nil, nil, errNotFound("node", id)
	}
	switch {
	case cl.Type != "ENHANCED_CLUSTER":
		return nil, nil, errInvalid("actions on nodes are available in enhanced clusters only, and cluster %s is a basic one", cl.ID)
	case p.state == poolDeleting || p.cycling != nil:
		return nil, nil, errIncorrectState("node pool %s is %s and its nodes are being replaced", p.id, p.state)
	case p.busy > 0 && s.opt.WritesOnUpdating == "409":
		return nil, nil, errIncorrectState("node pool %s is %s: wait for its work request", p.id, p.state)
	case n.state != nodeActive || n.inst.State != stateRunning:
		return nil, nil, errIncorrectState("node %s is %s and its instance %s: it must be ACTIVE and RUNNING", id, n.state, n.inst.State)
	}
	return p, n, nil
}

func (s *Sim) nodeOf(instance string) (*pool, *node) {
	for _, p := range s.pools {
		for _, n := range p.nodes {
			if instance != "" && n.id() == instance {
				return p, n
			}
		}
	}
	return nil, nil
}

// restart empties a node, stops its instance, does what is to be done while it is down, and starts it again.
func (s *Sim) restart(p *pool, n *node, w *workRequest, whileDown func()) {
	n.state, n.restart = nodeUpdating, w
	w.open++
	still := func() bool { return n.restart == w }
	fail := func(code, message string) {
		w.fail(code, message)
		n.state = nodeActive
		s.stopCycling(p, w)
		s.endRestart(n)
	}
	s.stage(s.opt.Latency.Accept, func() {
		if !still() {
			return
		}
		s.evict(n, w.evict, func(emptied bool) {
			switch {
			case !emptied:
				fail(notEmptied(n))
			case n.inst.State != stateRunning:
				fail("IncorrectState", "Instance "+n.inst.ID+" is "+n.inst.State+" and cannot be restarted.")
			default:
				s.stop(n.inst, func() { whileDown(); s.start(n.inst, func() { s.restarted(n, w) }) })
			}
		})
	})
}

func (s *Sim) restarted(n *node, w *workRequest) {
	if n.restart != w {
		return
	}
	n.state = nodeActive
	w.log("Restarted node %s", n.name)
	s.uncordon(n.inst)
	s.endRestart(n)
}

func (s *Sim) endRestart(n *node) {
	if w := n.restart; w != nil {
		n.restart = nil
		if n.inst != nil {
			delete(s.evictions, n.inst.ID)
		}
		s.release(w)
		s.step(n.pool)
	}
}

// newBootVolume gives an instance a fresh volume of what it had.
func (s *Sim) newBootVolume(n *node) {
	n.inst.bootVolume = s.newOCID("bootvolume")
	n.inst.revision++
}

// renewBootVolume gives an instance a fresh volume with what the pool says now of the properties that a volume carries.
func (s *Sim) renewBootVolume(p *pool, n *node) {
	s.newBootVolume(n)
	i, spec := n.inst, p.spec
	i.ImageID, i.ImageName, i.KubernetesVersion = spec.ImageID, s.imageName(spec.ImageID), spec.KubernetesVersion
	i.BootVolumeGB, i.Metadata = spec.BootVolumeGB, maps.Clone(spec.Metadata)
	n.version = spec.KubernetesVersion
	now := traitsOf(spec)
	for _, name := range volumeTraits {
		i.made[name] = now[name]
	}
}
