package okesim

import (
	"slices"
)

// hostKey is where capacity is counted: a fault domain, or with an empty one the whole availability domain.
type hostKey struct{ shape, ad, fd string }

// limitKey is where a limit is counted: an availability domain, or with an empty one the whole region.
type limitKey struct{ name, ad string }

// SetCapacity sets how many more hosts (shape, ad) has; negative means unlimited, the default. A launch takes one, a termination gives it back.
func (s *Sim) SetCapacity(shape, ad string, hosts int) { s.SetCapacityIn(shape, ad, "", hosts) }

// SetCapacityIn is SetCapacity for one fault domain ("FAULT-DOMAIN-2"). A host must be left in the fault domain and in the availability
// domain; a launch goes on to the next fault domain that its placement allows before it fails.
func (s *Sim) SetCapacityIn(shape, ad, fd string, hosts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setOrDelete(s.capacity, hostKey{shape, ad, fd}, hosts)
}

// SetLimit sets the tenancy's service limit: the most instances of a shape in the region; negative means unlimited, the default.
func (s *Sim) SetLimit(shape string, n int) { s.SetLimitIn(shape, "", n) }

// SetLimitIn is SetLimit for one availability domain.
func (s *Sim) SetLimitIn(shape, ad string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setOrDelete(s.limits, limitKey{shape, ad}, n)
}

// SetQuota sets what the tenancy's administrator allows: the most instances of a shape in the region; negative means unlimited, the default.
func (s *Sim) SetQuota(shape string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setOrDelete(s.quotas, shape, n)
}

// SetCoreLimit sets a service limit as the Limits service counts it: OCPUs (GPUs for a GPU shape) under a limit name
// ("standard-e4-core-count") in one availability domain, over all shapes that share the name. Negative means unlimited, the default.
func (s *Sim) SetCoreLimit(name, ad string, units int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setOrDelete(s.cores, limitKey{name, ad}, units)
}

func setOrDelete[K comparable](m map[K]int, key K, n int) {
	if n < 0 {
		delete(m, key)
		return
	}
	m[key] = n
}

// takeHost takes a host for a launch, or says why there is none. It may move the entry to another fault domain.
func (s *Sim) takeHost(p *pool, n *node, sh Shape) *NodeError {
	if fault := s.overLimit(p, n, sh); fault != nil {
		return fault
	}
	allowed := n.place.FaultDomains
	if len(allowed) == 0 {
		allowed = faultDomains
	}
	for _, fd := range append([]string{n.fd}, allowed...) {
		if s.hostsLeft(sh.Name, n.place.AD, fd) > 0 {
			n.fd = fd
			s.addHosts(sh.Name, n.place.AD, fd, -1)
			return nil
		}
	}
	return OutOfCapacity.nodeError(n, sh)
}

// hostsLeft is how many more instances fit; plenty where nothing is limited.
func (s *Sim) hostsLeft(shape, ad, fd string) int {
	left := plenty
	if free, limited := s.capacity[hostKey{shape, ad, ""}]; limited {
		left = min(left, free)
	}
	if fd != "" {
		if free, limited := s.capacity[hostKey{shape, ad, fd}]; limited {
			left = min(left, free)
		}
		return left
	}
	inDomains := 0
	for _, fd := range faultDomains {
		free, limited := s.capacity[hostKey{shape, ad, fd}]
		if !limited {
			return left
		}
		inDomains += free
	}
	return min(left, inDomains)
}

func (s *Sim) addHosts(shape, ad, fd string, n int) {
	for _, key := range []hostKey{{shape, ad, ""}, {shape, ad, fd}} {
		if free, limited := s.capacity[key]; limited {
			s.capacity[key] = free + n
		}
	}
}

func (s *Sim) returnHost(i *instance) { s.addHosts(i.Shape, i.AvailabilityDomain, i.FaultDomain, 1) }

// overLimit says which limit or quota one more instance would break.
func (s *Sim) overLimit(p *pool, n *node, sh Shape) *NodeError {
	for _, ad := range []string{"", n.place.AD} {
		if limit, ok := s.limits[limitKey{sh.Name, ad}]; ok && s.countInstances(sh.Name, ad) >= limit {
			return LimitReached.nodeError(n, sh)
		}
	}
	units := sh.units(p.spec.OCPUs)
	if limit, ok := s.cores[limitKey{sh.QuotaName, n.place.AD}]; ok && s.unitsUsed(sh.QuotaName, n.place.AD)+units > float32(limit) {
		return LimitReached.nodeError(n, sh)
	}
	if quota, ok := s.quotas[sh.Name]; ok && s.countInstances(sh.Name, "") >= quota {
		return QuotaReached.nodeError(n, sh)
	}
	return nil
}

// countInstances counts a shape's live instances in an availability domain, or with an empty one in the region.
func (s *Sim) countInstances(shape, ad string) int {
	n := 0
	for _, i := range s.instances {
		if i.Shape == shape && i.State != stateTerminated && (ad == "" || ad == i.AvailabilityDomain) {
			n++
		}
	}
	return n
}

// units is what an instance takes from a service limit.
func (s Shape) units(ocpus float32) float32 {
	if s.GPUs > 0 {
		return float32(s.GPUs)
	}
	return ocpus
}

func (s *Sim) unitsUsed(limit, ad string) float32 {
	var used float32
	for _, i := range s.instances {
		if sh, _ := findShape(i.Shape); sh.QuotaName == limit && i.State != stateTerminated && (ad == "" || ad == i.AvailabilityDomain) {
			used += sh.units(i.OCPUs)
		}
	}
	return used
}

// knownLimit says whether any shape counts against a limit of this name.
func knownLimit(name string) bool {
	return slices.ContainsFunc(shapes, func(sh Shape) bool { return sh.QuotaName == name })
}
