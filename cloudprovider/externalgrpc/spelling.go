package externalgrpc

import (
	"strings"
	"sync"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// schemePrefix is what some cloud controllers put before the OCID in a Node's
// spec.providerID, and others do not.
const schemePrefix = "oci://"

// spelling remembers how the cluster writes provider IDs. The client compares
// sets of strings: an ID in the other form is a machine that never registers,
// and is deleted for it after a while.
type spelling struct {
	mu       sync.Mutex // guards the fields below
	prefixed map[cloudprovider.InstanceID]bool
	usual    bool // the form that was seen last, for machines without a Node
}

// learn takes in a Node's provider ID and gives the instance's.
func (s *spelling) learn(providerID string) cloudprovider.InstanceID {
	id := instanceID(providerID)
	if id == "" || id.Placeholder() {
		return id
	}
	prefixed := len(id) != len(providerID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prefixed == nil {
		s.prefixed = map[cloudprovider.InstanceID]bool{}
	}
	s.prefixed[id], s.usual = prefixed, prefixed
	return id
}

// forget drops what is not listed any more.
func (s *spelling) forget(listed func(cloudprovider.InstanceID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.prefixed {
		if !listed(id) {
			delete(s.prefixed, id)
		}
	}
}

// providerID is the instance's ID as its Node has it, or will.
func (s *spelling) providerID(id cloudprovider.InstanceID) string {
	if id.Placeholder() {
		return string(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	prefixed, known := s.prefixed[id]
	if prefixed || !known && s.usual {
		return schemePrefix + string(id)
	}
	return string(id)
}

func instanceID(providerID string) cloudprovider.InstanceID {
	return cloudprovider.InstanceID(strings.TrimPrefix(providerID, schemePrefix))
}

// fakeNodeReason is put by the client on nodes that it made up from our own
// list: "unregistered" or "create-error".
const fakeNodeReason = "k8s.io/cluster-autoscaler/fake-node-reason"

// madeUp is whether the client made the node up. Such a node has our spelling,
// not the cluster's, and never became a Node.
func madeUp(n *wire.ExternalGrpcNode) bool {
	_, marked := n.GetAnnotations()[fakeNodeReason]
	return marked || n.GetName() == n.GetProviderId()
}
