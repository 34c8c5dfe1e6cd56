package scale

import (
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/vacate"
)

// zones is what the pools that must outlive the loss of a zone have and need,
// by zone.
type zones struct {
	have, need map[cloudprovider.Zone]vacate.Amount
	pods       int
}

// zoneLoss is why the node must stay although its pods would fit elsewhere: a
// pool with headroom keeps so much room that the pods of any one zone fit in
// the others. It is arithmetic on sums over all pools with headroom: removing a
// node never makes it false, since its room is counted out of what is left and
// its pods are not.
func (s *shrinking) zoneLoss(c *candidate) (Reason, string) {
	if !c.pool.spec.ZoneLossHeadroom {
		return "", ""
	}
	z := s.zoneSums()
	if len(z.have) < 2 {
		return "", ""
	}
	at := c.node.Zone()
	less := vacate.Room(c.object)
	z.have[at] = z.have[at].Minus(less)
	defer func() { z.have[at] = z.have[at].Plus(less) }()
	var all vacate.Amount
	for _, need := range z.need {
		all = all.Plus(need)
	}
	for _, lost := range sortedZones(z.have) {
		var left vacate.Amount
		for zone, have := range z.have {
			if zone != lost {
				left = left.Plus(have)
			}
		}
		if !all.Within(left) {
			return ZoneLoss, fmt.Sprintf("without it the pods of zone %s would not fit in the others", lost)
		}
	}
	return "", ""
}

// maxLosses is how many nodes' leaving one look proves to be survivable.
const maxLosses = 20

// homeless is why the node must stay: the sums would do without it, but once it and
// all that goes have gone not every pod of a zone that is lost would find a node.
// Growth asks the same question; a smaller answer here would let go what it adds.
// With more pods than growth moves in mind the sums must do, here as there.
func (s *shrinking) homeless(c *candidate) (Reason, string) {
	if !c.pool.spec.ZoneLossHeadroom || s.zoneSums().pods > maxMoves || len(s.zones.have) < 2 {
		return "", ""
	}
	if s.losses++; s.losses > maxLosses {
		return NotExamined, fmt.Sprintf("%d nodes were examined in this look", maxLosses)
	}
	if err := s.ground.Tell(); err != nil {
		return NotExamined, err.Error()
	}
	h := &headroom{d: s.decision}
	for _, p := range s.pools {
		if p.spec != nil && p.spec.ZoneLossHeadroom && len(p.places) > 0 {
			h.pools = append(h.pools, p)
		}
	}
	s.sim.Fork()
	defer s.sim.Revert()
	moves, err := s.onlyWhatGoes(c)
	if err != nil {
		return NotExamined, err.Error()
	}
	lost, pod, err := h.wherever(moves, s.among())
	if err != nil {
		return NotExamined, err.Error()
	}
	if pod == nil {
		return "", ""
	}
	return ZoneLoss, fmt.Sprintf("without it %s would find no node when zone %s is lost", podName(pod), lost)
}

// zoneSums adds up the pools with headroom once; letting a node go takes it out.
func (s *shrinking) zoneSums() *zones {
	if s.zones != nil {
		return s.zones
	}
	s.zones = &zones{have: map[cloudprovider.Zone]vacate.Amount{}, need: map[cloudprovider.Zone]vacate.Amount{}}
	for _, p := range s.pools {
		if p.spec == nil || !p.spec.ZoneLossHeadroom {
			continue
		}
		for _, n := range p.Nodes {
			if x := s.nodes[n.Name()]; n.Object != nil && x != nil && x.node == n {
				s.zones.add(x)
			}
		}
	}
	return s.zones
}

func (z *zones) add(x *standing) {
	at := x.node.Zone()
	if x.node.Stage() == world.StageAvailable && x.node.Mark == nil {
		z.have[at] = z.have[at].Plus(vacate.Room(x.object))
	}
	for _, pod := range x.pods {
		want, _ := vacate.Requests(pod)
		if ofDaemonSet(pod) || mirror(pod) {
			z.have[at] = z.have[at].Minus(want)
			continue
		}
		z.need[at] = z.need[at].Plus(want)
		z.pods++
	}
}

// withdraw takes a node that goes out of what stands.
func (s *shrinking) withdraw(c *candidate) {
	if s.zones != nil && c.pool.spec.ZoneLossHeadroom {
		at := c.node.Zone()
		s.zones.have[at] = s.zones.have[at].Minus(vacate.Room(c.object))
	}
}

func sortedZones(m map[cloudprovider.Zone]vacate.Amount) []cloudprovider.Zone {
	out := make([]cloudprovider.Zone, 0, len(m))
	for z := range m {
		out = append(out, z)
	}
	slices.Sort(out)
	return out
}
