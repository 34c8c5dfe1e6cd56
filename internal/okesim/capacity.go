package okesim

// hostKey is where capacity is counted.
type hostKey struct{ shape, ad string }

// SetCapacity sets how many more hosts (shape, ad) has; negative means unlimited, the default. A launch takes one, a termination gives it back.
func (s *Sim) SetCapacity(shape, ad string, hosts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if hosts < 0 {
		delete(s.capacity, hostKey{shape, ad})
		return
	}
	s.capacity[hostKey{shape, ad}] = hosts
}

// SetLimit sets the tenancy's service limit: the most instances of a shape; negative means unlimited, the default.
func (s *Sim) SetLimit(shape string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n < 0 {
		delete(s.limits, shape)
		return
	}
	s.limits[shape] = n
}

// takeHost takes a host for a launch, or says why there is none. The texts are those that clients of the service match on.
func (s *Sim) takeHost(shape Shape, ad string) *NodeError {
	if limit, ok := s.limits[shape.Name]; ok && s.countInstances(shape.Name) >= limit {
		return &NodeError{Code: "LimitExceeded", Status: "400", Message: "The following service limits were exceeded: " + shape.QuotaName +
			". Request a service limit increase from the service limits page in the console."}
	}
	key := hostKey{shape.Name, ad}
	if free, ok := s.capacity[key]; ok {
		if free == 0 {
			return &NodeError{Code: "InternalError", Status: "500", Message: "Out of host capacity."}
		}
		s.capacity[key] = free - 1
	}
	return nil
}

func (s *Sim) returnHost(i *instance) {
	key := hostKey{i.Shape, i.AvailabilityDomain}
	if free, ok := s.capacity[key]; ok {
		s.capacity[key] = free + 1
	}
}

func (s *Sim) countInstances(shape string) int {
	n := 0
	for _, i := range s.instances {
		if i.Shape == shape && i.State != stateTerminated {
			n++
		}
	}
	return n
}
