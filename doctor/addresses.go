package doctor

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

var nodeAddress = Check{
	ID:       "node-address",
	Title:    "the node can be reached by an address",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "an address of type InternalIP in status.addresses"},
	Remedy:   "the cloud controller fills it; without it logs, exec and probes of the control plane fail",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		for _, a := range p.Node.Object.Status.Addresses {
			if a.Type == corev1.NodeInternalIP && a.Address != "" {
				return pass(a.Address)
			}
		}
		if p.Joining() {
			return unknown(ReasonJoining, "the node has no address yet")
		}
		return Finding{State: Warn, Reason: "NoAddress", Message: "the node has no internal address"}
	},
}

var podAddressLimits = Limits{Warn: 90, Source: "pods with an address of their own, over the addresses of the node's pod CIDR"}

var podAddresses = Check{
	ID:       "pod-addresses",
	Title:    "there are addresses for more pods",
	Unit:     "%",
	Limits:   podAddressLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPods},
	Remedy:   "use a larger range per node (it is chosen when the cluster is made), or fewer pods per node",
	Action:   ActionNone,
	Applies:  working,
	Run: func(_ context.Context, p Patient) Finding {
		cidr := p.Node.Object.Spec.PodCIDR
		if cidr == "" {
			// VCN-native pods take addresses from VNICs, of which only OKE's own objects
			// tell.
			return skip(ReasonNotApplicable, "pods have addresses of the VCN; the check pod-network counts them")
		}
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return unknown(ReasonUnreadable, fmt.Sprintf("the node's pod CIDR is %q", cidr))
		}
		bits := prefix.Addr().BitLen() - prefix.Bits()
		if bits > 16 {
			return pass(cidr)
		}
		room := max(1, 1<<bits-3) // network, broadcast and the bridge
		used := ownAddresses(p.Node.Pods)
		f := Finding{State: judge(podAddressLimits, float64(used)*100/float64(room)), Observed: fmt.Sprintf("%d of %d", used, room)}
		if f.State != Pass {
			f.Reason, f.Message = "PodAddressesNearlyUsedUp", fmt.Sprintf("%d of the %d addresses of %s are taken", used, room, cidr)
		}
		return f
	},
}
