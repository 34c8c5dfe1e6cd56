package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PodNetwork is a NativePodNetwork of OKE: the VNICs for pods of one machine, and
// the addresses that these were given.
type PodNetwork struct {
	// State is SUCCESS, IN_PROGRESS or BACKOFF; Reason says why.
	State, Reason string
	// VNICs and Addresses are how many there are; of two families, the first.
	VNICs, Addresses int
}

// PodNetworks are all of a cluster, by the OCID of the machine. None is true where
// there is none, or no such kind: pods have no addresses of the VCN. Err
// is why nothing is known.
type PodNetworks struct {
	Of   map[string]PodNetwork
	None bool
	Err  error
}

// podNetworkKind is what OKE's cloud controller keeps where pods have addresses of
// the VCN; its fields are those of oci-cloud-controller-manager's v1beta1.
var podNetworkKind = schema.GroupVersionKind{Group: "oci.oraclecloud.com", Version: "v1beta1", Kind: "NativePodNetworkList"}

// ReadPodNetworks lists them page by page: an object carries all of its machine's
// addresses, hundreds of them, of which only the number is kept.
func ReadPodNetworks(ctx context.Context, r client.Reader) *PodNetworks {
	of := map[string]PodNetwork{}
	fresh := func() *unstructured.UnstructuredList {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(podNetworkKind)
		return list
	}
	err := pages(ctx, r, pageOfPodNetworks, func() { clear(of) }, fresh, func(list *unstructured.UnstructuredList) {
		for i := range list.Items {
			if id, n := podNetworkOf(list.Items[i].Object); id != "" {
				of[id] = n
			}
		}
	})
	switch {
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err):
		return &PodNetworks{None: true}
	case err != nil:
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // what is around it names a Go type
		}
		return &PodNetworks{Err: fmt.Errorf("list native pod networks: %w", err)}
	}
	return &PodNetworks{Of: of, None: len(of) == 0} // the kind is there on clusters of either kind
}

// podNetworkOf is what of an object is used. What has another shape than it
// should counts as missing.
func podNetworkOf(o map[string]any) (instance string, n PodNetwork) {
	instance, _, _ = unstructured.NestedString(o, "spec", "id")
	n.State, _, _ = unstructured.NestedString(o, "status", "state")
	n.Reason, _, _ = unstructured.NestedString(o, "status", "reason")
	vnics, _, _ := unstructured.NestedSlice(o, "status", "vnics")
	n.VNICs = len(vnics)
	v4, v6 := 0, 0
	for _, v := range vnics {
		vnic, _ := v.(map[string]any)
		addresses, _, _ := unstructured.NestedStringSlice(vnic, "addresses")
		for _, a := range addresses {
			switch at, err := netip.ParseAddr(a); {
			case err != nil:
			case at.Is4():
				v4++
			default:
				v6++
			}
		}
	}
	if n.Addresses = v4; v4 == 0 {
		n.Addresses = v6
	}
	return instance, n
}

var podNetworkLimits = Limits{Warn: 90, Fail: 100, Source: "pods with an address of their own, over the addresses of the node's VNICs for pods, as its NativePodNetwork lists them"}

var podNetwork = Check{
	ID:       "pod-network",
	Title:    "the node has addresses of the VCN for its pods",
	Unit:     "%",
	Limits:   podNetworkLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromPodNetworks, fromPods},
	Remedy:   "kubectl describe nativepodnetwork; look for a pod subnet without free addresses, a shape without a VNIC to spare, and a policy that keeps OKE from attaching one",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		all := p.Look.PodNetworks
		switch {
		case p.virtual():
			return skip(ReasonNotApplicable, "a virtual node has no VNICs of its own")
		case all == nil:
			return skip(ReasonNotAsked, "NativePodNetworks are read by the command alone")
		case all.None:
			return skip(ReasonNotApplicable, "pods have no addresses of the VCN here: there is no NativePodNetwork")
		case apierrors.IsForbidden(errors.Unwrap(all.Err)):
			return unknown(ReasonNotPermitted, all.Err.Error())
		case all.Err != nil:
			return unknown(ReasonUnreadable, all.Err.Error())
		}
		n, ok := all.Of[strings.TrimPrefix(p.Node.Object.Spec.ProviderID, "oci://")]
		if !ok {
			return unknown(ReasonNotFound, "no NativePodNetwork has the node's machine")
		}
		return n.judge(p)
	},
}

func (n PodNetwork) judge(p Patient) Finding {
	switch {
	case n.State != "SUCCESS" && p.Joining():
		return unknown(ReasonJoining, "its VNICs for pods are being attached: "+n.State)
	case n.State == "BACKOFF":
		return Finding{State: Fail, Reason: "PodNetworkBackoff", Observed: n.State, Message: "OKE cannot attach the VNICs for its pods: " + n.Reason}
	case n.State != "SUCCESS":
		return Finding{State: Warn, Reason: "PodNetworkNotDone", Observed: n.State, Message: fmt.Sprintf("its VNICs for pods are in state %q: %s", n.State, n.Reason)}
	case n.Addresses == 0:
		return Finding{State: Fail, Reason: "NoPodAddresses", Observed: "0", Message: fmt.Sprintf("its %d VNICs for pods have no address", n.VNICs)}
	}
	used := ownAddresses(p.Node.Pods)
	f := Finding{State: judge(podNetworkLimits, float64(used)*100/float64(n.Addresses)), Observed: fmt.Sprintf("%d of %d", used, n.Addresses)}
	if f.State != Pass {
		f.Reason, f.Message = "PodAddressesNearlyUsedUp", fmt.Sprintf("%d of the %d addresses of its VNICs for pods are taken", used, n.Addresses)
	}
	return f
}

// ownAddresses is how many of the pods hold an address that is not the node's.
func ownAddresses(pods []*corev1.Pod) int {
	used := 0
	for _, pod := range pods {
		if !pod.Spec.HostNetwork && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			used++
		}
	}
	return used
}
