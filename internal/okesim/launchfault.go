package okesim

import (
	"fmt"
	"slices"
	"strings"
)

// LaunchFault is a way in which OKE does not get a node. The first six leave an entry without an instance; the last two leave an
// instance that runs and is paid for, and never becomes a node.
type LaunchFault int

// The launch faults.
const (
	LaunchFaultUnknown LaunchFault = iota
	OutOfCapacity                  // "Out of host capacity.": the commonest one, and not an error of the request
	LimitReached                   // Oracle's limit of the tenancy
	QuotaReached                   // the administrator's own
	SubnetFull                     // no private address is left
	ImageGone                      // the image was deleted or the caller may no longer use it
	LaunchFailed                   // Compute says no more than that
	RegisterTimeout                // the kubelet never reported: security lists, route tables, cloud-init
	PodNetworkFailed               // VCN-native: the node's secondary VNIC was not attached
)

var launchFaultNames = map[LaunchFault]string{
	OutOfCapacity:    "OutOfCapacity",
	LimitReached:     "LimitReached",
	QuotaReached:     "QuotaReached",
	SubnetFull:       "SubnetFull",
	ImageGone:        "ImageGone",
	LaunchFailed:     "LaunchFailed",
	RegisterTimeout:  "RegisterTimeout",
	PodNetworkFailed: "PodNetworkFailed",
}

func (f LaunchFault) String() string {
	if name, ok := launchFaultNames[f]; ok {
		return name
	}
	return "unknown"
}

// LaunchFaults lists every launch fault in the order of the constants.
func LaunchFaults() []LaunchFault {
	var all []LaunchFault
	for f := range launchFaultNames {
		all = append(all, f)
	}
	slices.Sort(all)
	return all
}

// ParseLaunchFault finds a launch fault by its name, in any case.
func ParseLaunchFault(name string) (LaunchFault, error) {
	var names []string
	for _, f := range LaunchFaults() {
		if strings.EqualFold(name, f.String()) {
			return f, nil
		}
		names = append(names, f.String())
	}
	return LaunchFaultUnknown, fmt.Errorf("no launch fault is called %q: there are %s", name, strings.Join(names, ", "))
}

// late says whether the fault shows only after the instance has been made.
func (f LaunchFault) late() bool { return f == RegisterTimeout || f == PodNetworkFailed }

// nodeError is the fault in the service's words. Clients match on those of capacity, limit, quota and registration, which are
// reported ones; the words about subnet, image and pod network are of the same form but no page gives them.
func (f LaunchFault) nodeError(n *node, sh Shape) *NodeError {
	switch f {
	case OutOfCapacity:
		return &NodeError{Code: "InternalError", Status: "500", Message: "Out of host capacity."}
	case LimitReached:
		return &NodeError{Code: "LimitExceeded", Status: "400", Message: "The following service limits were exceeded: " + sh.QuotaName +
			". Request a service limit increase from the service limits page in the console."}
	case QuotaReached:
		return &NodeError{Code: "QuotaExceeded", Status: "400", Message: "The following compartment quotas were exceeded: " + sh.QuotaName +
			". Ask your administrator to raise the quota."}
	case SubnetFull:
		return &NodeError{Code: "LimitExceeded", Status: "400", Message: "Subnet " + n.place.SubnetID + " has no available private IP addresses."}
	case ImageGone:
		return &NodeError{Code: "NotAuthorizedOrNotFound", Status: "404", Message: "Authorization failed or requested resource not found: image of the node"}
	case RegisterTimeout:
		return &NodeError{Code: "RegisterTimeOut", Status: "500", Message: "1 nodes(s) register timeout. First, confirm that network prerequisites have been met. " +
			"Then troubleshoot the problem by running the Node Doctor script on the node(s)."}
	case PodNetworkFailed:
		return &NodeError{Code: "InternalError", Status: "500", Message: "Native pod network of the node is not ready: attaching a secondary VNIC failed."}
	}
	return &NodeError{Code: "InternalError", Status: "500", Message: "1 node(s) launch failure"}
}

// brokenLaunches is an order of BreakLaunches.
type brokenLaunches struct {
	pool  string
	left  int // negative: for good
	fault LaunchFault
}

// BreakLaunches makes the next n launches of a pool (an empty OCID is any pool) fail this way; a negative n means every one until a
// call with n = 0, which takes back all orders for the pool.
func (s *Sim) BreakLaunches(pool string, n int, f LaunchFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == 0 {
		s.broken = slices.DeleteFunc(s.broken, func(b *brokenLaunches) bool { return b.pool == pool })
		return
	}
	s.broken = append(s.broken, &brokenLaunches{pool: pool, left: n, fault: f})
}

// launchFault is the fault that this launch meets, unknown mostly.
func (s *Sim) launchFault(pool string) LaunchFault {
	for _, b := range s.broken {
		if b.left != 0 && (b.pool == "" || b.pool == pool) {
			b.left = max(b.left-1, -1)
			return b.fault
		}
	}
	return LaunchFaultUnknown
}
