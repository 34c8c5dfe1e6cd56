package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Subnets are what the cloud told of the subnets of each pool that was asked about;
// nil when nobody asked.
type Subnets map[cloudprovider.PoolID]SubnetsOf

// SubnetsOf is an answer, or why there is none, and when it came.
type SubnetsOf struct {
	List []cloudprovider.Subnet
	Err  error
	At   time.Time
}

// subnetsPatience bounds the reading for all pools together. A large subnet is read
// a thousand addresses at a time, and no look waits longer for a number than this.
const subnetsPatience = 10 * time.Second

// SubnetsOld is the least age at which a daemon should ask anew: an answer costs a
// request for each thousand addresses.
const SubnetsOld = 15 * time.Minute

// ReadSubnets asks the cloud about each pool, once. Pools that could not be read at
// all are not asked about, nor those for which there is no time any more.
func ReadSubnets(ctx context.Context, fleet *cloudprovider.Fleet, s *world.Snapshot) Subnets {
	return Subnets{}.renewed(ctx, fleet, s, len(s.Pools), 0)
}

// renewed keeps the answers that are younger than old, also those that say why there
// is none, and asks about at most so many of the other pools. What is neither young
// nor asked about stays as it is until its turn comes.
func (before Subnets) renewed(ctx context.Context, fleet *cloudprovider.Fleet, s *world.Snapshot, most int, old time.Duration) Subnets {
	ctx, cancel := context.WithTimeout(ctx, subnetsPatience)
	defer cancel()
	now := Subnets{}
	for _, pool := range s.Pools {
		id := pool.Cloud.ID
		was, known := before[id]
		if known {
			now[id] = was
		}
		young := known && s.Now.Sub(was.At) < old
		blind := fleet == nil || s.CloudErr != nil || id == "" || pool.Cloud.Virtual || pool.Cloud.Health.Err != nil
		if young || blind || most == 0 || ctx.Err() != nil {
			continue
		}
		most--
		list, err := fleet.Subnets(ctx, id)
		now[id] = SubnetsOf{list, err, s.Now}
	}
	return now
}

var subnetLimits = Limits{Warn: 90, Fail: 100,
	Source: "addresses in use, of those that a subnet of the pool's machines or pods has; it fails when none of them has one left, and also warns when fewer are left than maxSurge more nodes would take"}

var subnetAddresses = Check{
	ID:       "subnet-addresses",
	Title:    "the pool's subnets have addresses for more nodes and their pods",
	Unit:     "%",
	Limits:   subnetLimits,
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Remedy:   "give the pool another subnet, for its machines or its pods, or the subnet a larger CIDR; addresses of machines and load balancers that nobody needs come back when these are deleted",
	Action:   ActionNone,
	Shared:   true,
	Applies:  pooled,
	Run: func(_ context.Context, p Patient) Finding {
		if p.Pool.Cloud.Virtual {
			return skip(ReasonNotApplicable, "a virtual node has no subnet of a node pool")
		}
		if f, blind := cloudBlind(p); blind {
			return f
		}
		told, known := p.Look.Subnets[p.Pool.Cloud.ID]
		switch {
		case p.Look.Subnets == nil:
			return skip(ReasonNotAsked, "nobody asked the cloud for its subnets")
		case !known:
			return unknown("NotYetAsked", "there was no time yet to ask about the pool's subnets")
		case told.Err != nil:
			return subnetsUnknown(told.Err)
		}
		return judgeSubnets(told.List, surgeOf(p.Pool))
	},
}

func subnetsUnknown(err error) Finding {
	switch {
	case errors.Is(err, cloudprovider.ErrNotSupported):
		return unknown("NotSupported", err.Error())
	case errors.Is(err, cloudprovider.ErrUnauthorized), errors.Is(err, cloudprovider.ErrNotFound):
		return unknown(ReasonNotPermitted, err.Error()) // OCI says the same of what may not be seen and what is not there
	case errors.Is(err, cloudprovider.ErrOutOfBounds):
		return unknown(ReasonUnreadable, err.Error())
	}
	return unknown(ReasonCloudUnreachable, err.Error())
}

// surgeOf is how many machines a turn-over of the pool makes beside those that there
// are, and at least one: the next that anybody asks for.
func surgeOf(p *world.Pool) int {
	spec, surge := p.CycleSpec(), intstr.FromInt32(1)
	if spec != nil && spec.MaxSurge != nil {
		surge = *spec.MaxSurge
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(&surge, p.Desired(), true)
	switch {
	case err != nil:
		return 1
	case spec == nil:
	case spec.Strategy == v1alpha1.StrategyInPlace || spec.Strategy == v1alpha1.StrategyBootVolume:
		return 1
	case spec.Strategy == v1alpha1.StrategyBlueGreen:
		n = p.Desired()
	}
	if p.Run() != nil {
		n -= p.Cloud.Size - p.Desired() // they are there already
	}
	return max(min(n, p.Desired()), 1)
}

// judgeSubnets is the worse of what the machines' subnets say and the pods'. A new
// node may land in any subnet of a kind, and needs one of each.
func judgeSubnets(list []cloudprovider.Subnet, need int) Finding {
	kinds := map[bool][]cloudprovider.Subnet{}
	for _, s := range list {
		if s.PerNode > 0 {
			kinds[s.Pods] = append(kinds[s.Pods], s)
		}
	}
	worst := skip(ReasonNotApplicable, "the pool has no subnet that could run out")
	for _, pods := range []bool{false, true} {
		if len(kinds[pods]) == 0 {
			continue
		}
		if f := judgeAlike(kinds[pods], need); worst.State == Skip || f.State.urgency() > worst.State.urgency() {
			worst = f
		}
	}
	return worst
}

// judgeAlike judges subnets of one kind: the fullest by itself, and what all have
// together.
func judgeAlike(list []cloudprovider.Subnet, need int) Finding {
	fullest, free, nodes := list[0], 0, 0
	var left, names []string
	for _, s := range list {
		if usedOf(s) > usedOf(fullest) {
			fullest = s
		}
		free, nodes = free+s.Free, nodes+s.Free/s.PerNode
		left, names = append(left, leftIn(s)), append(names, s.Name)
	}
	of := "of its machines"
	if list[0].Pods {
		of = "of its pods"
	}
	f := Finding{State: judge(subnetLimits, usedOf(fullest)), Observed: strings.Join(left, ", ")}
	switch {
	case free <= 0:
		f.State, f.Reason, f.Message = Fail, "NoAddressLeft", fmt.Sprintf("the subnets %s have no address left: %s", of, some(names))
	case nodes < need:
		f.State, f.Reason = Warn, "AddressesShort"
		f.Message = fmt.Sprintf("the subnets %s have fewer addresses than %d more nodes take, up to %d each: %s", of, need, list[0].PerNode, some(names))
	case f.State != Pass:
		f.State, f.Reason, f.Message = Warn, "AddressesNearlyUsedUp", fmt.Sprintf("subnet %s %s is nearly used up", fullest.Name, of)
	}
	return f
}

// usedOf is the share of a subnet that is in use, in percent; 0 where the cloud does
// not say how large it is.
func usedOf(s cloudprovider.Subnet) float64 {
	if s.Size <= 0 {
		return 0
	}
	return float64(s.Size-s.Free) * 100 / float64(s.Size)
}

func leftIn(s cloudprovider.Subnet) string {
	if s.Size <= 0 {
		return fmt.Sprintf("%d left in %s", s.Free, s.Name)
	}
	return fmt.Sprintf("%d of %d left in %s", s.Free, s.Size, s.Name)
}
