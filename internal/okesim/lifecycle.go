package okesim

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// launchNode turns an entry into an instance, with the properties that the pool has now, or records why it cannot.
func (s *Sim) launchNode(p *pool, n *node) {
	if n.state != nodeCreating {
		return // taken back before the launch
	}
	n.version = p.spec.KubernetesVersion
	sh, _ := findShape(p.spec.Shape) // checked when it was written
	if _, err := s.findImage(p.spec.ImageID); err != nil {
		s.failNode(n, NodeError{Code: "NotAuthorizedOrNotFound", Message: "image " + p.spec.ImageID + " not found", Status: "404"})
		return
	}
	if n.doom = s.launchFault(p.id); n.doom != LaunchFaultUnknown && !n.doom.late() {
		s.failNode(n, *n.doom.nodeError(n, sh))
		return
	}
	if fault := s.takeHost(p, n, sh); fault != nil {
		s.failNode(n, *fault)
		return
	}
	n.inst = s.newInstance(p, n, sh)
	n.launch.log("Launched instance %s for node %s", n.inst.ID, n.name)
	s.emit(InstanceProvisioning, n.inst)
	s.stage(s.opt.Latency.Provision, func() { s.bootNode(n) })
}

func (s *Sim) newInstance(p *pool, n *node, sh Shape) *instance {
	s.forget()
	spec := p.spec
	i := &instance{place: n.place, tags: maps.Clone(spec.FreeformTags), Instance: Instance{
		ID: s.newOCID("instance"), Name: n.name, PoolID: p.id, ClusterID: spec.ClusterID, CompartmentID: spec.CompartmentID,
		AvailabilityDomain: n.place.AD, FaultDomain: n.fd, SubnetID: n.place.SubnetID,
		Shape: sh.Name, OCPUs: spec.OCPUs, MemoryGB: spec.MemoryGB, GPUs: sh.GPUs, Arch: sh.Arch,
		ImageID: spec.ImageID, ImageName: s.imageName(spec.ImageID), KubernetesVersion: spec.KubernetesVersion,
		PrivateIP: fmt.Sprintf("10.%d.%d.%d", s.ids>>16&0xff, s.ids>>8&0xff, s.ids&0xff), BootVolumeGB: spec.BootVolumeGB,
		Labels: maps.Clone(spec.Labels), Metadata: maps.Clone(spec.Metadata),
		CNI: spec.CNI, MaxPods: sh.maxPods(spec.CNI, spec.OCPUs, spec.MaxPods), Preemptible: n.place.Preemptible,
		State: stateProvisioning, Created: s.clock(),
	}}
	i.made = traitsOf(spec)
	i.bootVolume = ocid("bootvolume", s.regionKey(), i.ID)
	s.instances = append(s.instances, i)
	s.byInstance[i.ID] = i
	return i
}

// bootNode is the instance RUNNING and its node on the way to registration.
func (s *Sim) bootNode(n *node) {
	if n.inst.State != stateProvisioning {
		return
	}
	n.inst.set(stateRunning)
	n.inst.Boots++
	if n.state == nodeCreating {
		n.state = nodeUpdating
		s.stage(s.opt.Latency.Boot, func() { s.activate(n) })
	}
}

func (s *Sim) activate(n *node) {
	if n.state != nodeUpdating || n.fault != nil {
		return
	}
	if n.inst.State != stateRunning { // stopped while it booted: look again when it may have come back
		s.stage(max(s.opt.Latency.Boot, time.Second), func() { s.activate(n) })
		return
	}
	if n.doom.late() {
		s.stage(s.opt.Latency.Register, func() { s.giveUp(n) })
		return
	}
	n.state, n.joined = nodeActive, true
	s.emit(InstanceActive, n.inst)
	if n.pool.cycling != nil {
		s.hold(n.inst, true)
	}
	s.endLaunch(n)
	s.step(n.pool)
}

// giveUp is the end of OKE's patience with a node that does not register. Its instance runs on.
func (s *Sim) giveUp(n *node) {
	if n.state != nodeUpdating || n.fault != nil {
		return
	}
	n.state = nodeFailing
	s.failNode(n, *n.doom.nodeError(n, Shape{}))
}

// failNode leaves the error on the entry. It stays there until the size is lowered.
func (s *Sim) failNode(n *node, fault NodeError) {
	n.fault = &fault
	if n.launch != nil {
		n.launch.fail(fault.Code, fault.Message)
	}
	s.stopCycling(n.pool, n.launch)
	s.endLaunch(n)
	s.step(n.pool)
}

func (s *Sim) endLaunch(n *node) {
	if w := n.launch; w != nil {
		n.launch = nil
		s.release(w)
	}
}

// remove marks an entry for deletion, which cannot be undone, and plans its end.
func (s *Sim) remove(p *pool, n *node, replace bool, w *workRequest) {
	n.state, n.marked = nodeDeleting, true
	n.replace = replace
	n.removal = w
	w.open++
	w.log("Deleting node %s", n.name)
	s.endLaunch(n)
	s.endRestart(n)
	s.stage(s.opt.Latency.Accept, func() {
		s.evict(n, w.evict, func(emptied bool) {
			switch {
			case !emptied:
				s.keep(p, n, notEmptied)
			case n.inst != nil && s.terminationFails(p.id):
				s.keep(p, n, func(n *node) (code, message string) {
					return "InternalError", "Instance of node " + n.name + " could not be terminated."
				})
			default:
				s.terminateNode(p, n)
			}
		})
	})
}

// keep is a deletion that failed. The node goes on, but the mark cannot be taken back: the pool's next update tries again.
func (s *Sim) keep(p *pool, n *node, why func(*node) (code, message string)) {
	w := n.removal
	n.state, n.removal = nodeActive, nil
	if !n.joined {
		n.state = nodeFailing // its way up has been given up
	}
	w.fail(why(n))
	s.stopCycling(p, w)
	s.release(w)
	s.step(p)
}

// retryMarked tries again to delete what a failed deletion left.
func (s *Sim) retryMarked(p *pool, w *workRequest) {
	for _, n := range slices.Clone(p.nodes) {
		if n.marked && n.state != nodeDeleting {
			s.remove(p, n, n.replace, w)
		}
	}
}

func (s *Sim) terminateNode(p *pool, n *node) {
	if n.inst == nil || n.inst.State == stateTerminated {
		s.drop(p, n)
		return
	}
	n.inst.set(stateTerminating)
	s.emit(InstanceTerminating, n.inst)
	s.stage(s.opt.Latency.Terminate, func() {
		if n.inst.State != stateTerminated { // it may have been killed meanwhile: then there is no host to give back
			n.inst.set(stateTerminated)
			s.returnHost(n.inst)
			s.emit(InstanceTerminated, n.inst)
		}
		s.drop(p, n)
	})
}

// drop takes the entry off the list; a replacement starts only now, when the old instance is gone.
func (s *Sim) drop(p *pool, n *node) {
	p.nodes = slices.DeleteFunc(p.nodes, func(other *node) bool { return other == n })
	if n.replace {
		s.addNode(p, n.removal)
	}
	s.release(n.removal)
	s.step(p)
}

// KillInstance is a loss of hardware: the instance is TERMINATED at once and its host does not come back. OKE does not notice: the pool
// keeps its size and the node its state. A node that was still booting never registers. An unknown instance is left alone.
func (s *Sim) KillInstance(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(id)
	if err != nil || i.State == stateTerminated {
		return
	}
	s.lose(i)
}

// lose is an instance that is gone without OKE's doing.
func (s *Sim) lose(i *instance) {
	i.set(stateTerminated)
	s.emit(InstanceTerminated, i)
	for _, p := range s.pools {
		for _, n := range p.nodes {
			if n.inst == i && n.restart != nil {
				n.restart.fail("InternalError", "Instance "+i.ID+" was lost while it was restarted.")
				n.state = nodeActive // OKE does not notice
				s.stopCycling(p, n.restart)
				s.endRestart(n)
			}
			if n.inst == i && n.launch != nil {
				s.failNode(n, NodeError{Code: "RegisterTimeOut", Message: "1 nodes(s) register timeout.", Status: "500"})
			}
		}
	}
}
