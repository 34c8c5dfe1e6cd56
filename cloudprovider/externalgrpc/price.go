package externalgrpc

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// Prices make --expander=price work. It compares what a group's new nodes cost
// with what the pods would cost that they are for, if these could be bought by
// the piece. The first is the placement's list price; the second is [rates],
// the cheapest pieces on sale in the client's own groups. A price that is not
// known is answered Unimplemented, upon which the client leaves the group out
// of this comparison; nothing is ever said to be free.

// rates is what pieces of a node cost, in US dollars an hour; all 0 if no
// group's price is known.
type rates struct{ core, gib, gpu float64 }

// coreWorth is how many GiB of memory a vCPU is worth: the ratio of Oracle's
// list prices of flexible shapes (an OCPU of E4 at 0.025, a GB at 0.0015).
const coreWorth = 0.0125 / 0.0015

// accelerators are the resources that count as GPUs.
var accelerators = []corev1.ResourceName{"nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi", "gpu.intel.com/xe"}

// ratesOf finds the cheapest pieces among the groups: cores and memory in nodes
// without GPUs (or in any, where all have some), and a GPU as the rest of what
// its node costs.
func ratesOf(groups []*group) rates {
	var r rates
	for _, withGPU := range []bool{false, true} {
		for _, g := range groups {
			for _, p := range g.pool.Placements {
				if (gpusIn(p.Template.Status.Capacity) > 0) == withGPU {
					r.offer(p, withGPU)
				}
			}
		}
	}
	return r
}

// offer takes in one placement's price.
func (r *rates) offer(p cloudprovider.Placement, withGPU bool) {
	room := p.Template.Status.Capacity
	worth := room.Cpu().AsApproximateFloat64()*coreWorth + gibs(room.Memory().AsApproximateFloat64())
	if p.Price <= 0 || worth <= 0 {
		return
	}
	gpus := gpusIn(room)
	switch rest := p.Price - r.gib*worth; {
	case !withGPU && (r.gib == 0 || p.Price/worth < r.gib):
		r.gib, r.core = p.Price/worth, p.Price/worth*coreWorth
	case withGPU && rest > 0 && (r.gpu == 0 || rest/gpus < r.gpu):
		r.gpu = rest / gpus
	}
}

func gibs(bytes float64) float64 { return bytes / (1 << 30) }

func gpusIn(list corev1.ResourceList) (n float64) {
	for _, name := range accelerators {
		if q, ok := list[name]; ok {
			n += q.AsApproximateFloat64()
		}
	}
	return n
}

// of is what a pod's requests cost for an hour.
func (r rates) of(p *corev1.Pod) float64 {
	need := requests(p)
	return need.Cpu().AsApproximateFloat64()*r.core + gibs(need.Memory().AsApproximateFloat64())*r.gib + gpusIn(need)*r.gpu
}

// PricingNodePrice is what a node costs from start to end by list, in US
// dollars. The node is one that the client made from a template of ours, or a
// real one.
func (p *Plugin) PricingNodePrice(_ context.Context, r *wire.PricingNodePriceRequest) (*wire.PricingNodePriceResponse, error) {
	v, err := p.now()
	if err != nil {
		return nil, err
	}
	hours, err := hoursOf(r.GetStart(), r.GetEnd(), r.GetLegacyStart(), r.GetLegacyEnd())
	if err != nil {
		return nil, err
	}
	price := v.priceOf(r.GetNode())
	if price <= 0 {
		return nil, status.Errorf(codes.Unimplemented, "the price of node %q is not known", r.GetNode().GetName())
	}
	return &wire.PricingNodePriceResponse{Price: price * hours}, nil
}

// priceOf is a node's price for an hour, 0 if it is not known. Its pool is told
// by its machine, or by the annotation that OKE and our templates carry; the
// placement by the machine, or by the label of the zone.
func (v *view) priceOf(n *wire.ExternalGrpcNode) float64 {
	id := instanceID(n.GetProviderId())
	g := v.byID[cloudprovider.PoolID(n.GetAnnotations()[v1alpha1.AnnotationNodePoolID])]
	zone := cloudprovider.Zone(n.GetLabels()[corev1.LabelTopologyZone])
	if at, listed := v.byInstance[id]; listed && id != "" {
		g, zone = at.group, at.instance.Zone
	}
	if g == nil {
		return 0
	}
	for _, p := range g.pool.Placements {
		if p.Zone == zone {
			return p.Price
		}
	}
	if place, ok := likely(g.pool, g.instances); ok {
		return place.Price
	}
	return 0
}

// PricingPodPrice is what a pod's requests would cost from start to end if they
// could be bought by the piece, in US dollars.
func (p *Plugin) PricingPodPrice(_ context.Context, r *wire.PricingPodPriceRequest) (*wire.PricingPodPriceResponse, error) {
	v, err := p.now()
	if err != nil {
		return nil, err
	}
	hours, err := hoursOf(r.GetStart(), r.GetEnd(), r.GetLegacyStart(), r.GetLegacyEnd())
	if err != nil {
		return nil, err
	}
	bytes := r.GetPod()
	if len(bytes) == 0 {
		bytes = r.GetLegacyPod()
	}
	var pod corev1.Pod
	if err := pod.Unmarshal(bytes); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "price a pod: what was sent is no pod: %v", err)
	}
	if v.rates.gib == 0 {
		return nil, status.Error(codes.Unimplemented, "the price of no group is known")
	}
	return &wire.PricingPodPriceResponse{Price: v.rates.of(&pod) * hours}, nil
}

// longest is the longest time that is priced: beyond it somebody's clock is wrong.
const longest = 10 * 365 * 24 * time.Hour

// hoursOf is the length of the time that a client asks about, in whichever form
// it sends it; an hour, which all of them ask about, if it sends none.
func hoursOf(start, end *timestamppb.Timestamp, oldStart, oldEnd *wire.LegacyTime) (float64, error) {
	if start == nil && oldStart != nil {
		start = &timestamppb.Timestamp{Seconds: oldStart.GetSeconds(), Nanos: oldStart.GetNanos()}
	}
	if end == nil && oldEnd != nil {
		end = &timestamppb.Timestamp{Seconds: oldEnd.GetSeconds(), Nanos: oldEnd.GetNanos()}
	}
	if start == nil || end == nil {
		return 1, nil
	}
	if start.CheckValid() != nil || end.CheckValid() != nil {
		return 0, status.Error(codes.InvalidArgument, "price: start or end is no time")
	}
	took := end.AsTime().Sub(start.AsTime())
	if took < 0 || took > longest {
		return 0, status.Errorf(codes.InvalidArgument, "price from %s to %s: want an end after the start and at most ten years", start.AsTime(), end.AsTime())
	}
	return took.Hours(), nil
}
