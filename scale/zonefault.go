package scale

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// lack is machines of one kind that a zone has none of.
type lack struct {
	shape       string
	preemptible bool
	zone        cloudprovider.Zone
}

func (p *pool) lackIn(zone cloudprovider.Zone) lack {
	return lack{p.Cloud.Shape, p.Cloud.Preemptible, zone}
}

// noteZones records the zones in which the pool's failed entries found no
// capacity. Capacity is a fact about a shape in a zone, not about a pool:
// another pool of that shape would find none either.
func (d *decision) noteZones(p *pool) {
	if p.record == nil || p.record.BackoffUntil == nil {
		return
	}
	out := slices.Clone(p.record.Zones)
	for _, n := range p.failed {
		if f := n.Instance.Fault; f == nil || f.Class != cloudprovider.FaultCapacity || n.Zone() == "" {
			continue
		}
		at := slices.IndexFunc(out, func(z v1alpha1.ZoneBackoff) bool { return z.Zone == string(n.Zone()) })
		if at < 0 {
			out = append(out, v1alpha1.ZoneBackoff{Zone: string(n.Zone())})
			at = len(out) - 1
		}
		if z := &out[at]; !d.s.Now.Before(z.Until.Time) {
			z.Failures++
			z.Until = metav1.NewTime(d.s.Now.Add(d.p.wait(z.Failures)).Truncate(time.Second))
		}
	}
	if len(out) == 0 && len(p.record.Zones) == 0 {
		return
	}
	slices.SortFunc(out, func(a, b v1alpha1.ZoneBackoff) int {
		if a.Zone < b.Zone {
			return -1
		}
		return 1
	})
	p.record = p.record.DeepCopy()
	p.record.Zones = out
}

// wait is how long the failure of this number in a row is waited for.
func (p Policy) wait(failures int32) time.Duration {
	wait := p.BackoffFirst
	for i := int32(1); i < failures && wait < p.BackoffMax; i++ {
		wait *= 2
	}
	return min(wait, p.BackoffMax)
}

// avoidZones keeps pools from growing all of whose zones are known to have none
// of their shape. A pool with another zone is left to try: the cloud picks.
func (d *decision) avoidZones() {
	lacking := map[lack]*pool{}
	until := map[lack]time.Time{}
	for _, p := range d.pools {
		if p.record == nil {
			continue
		}
		for _, z := range p.record.Zones {
			l := p.lackIn(cloudprovider.Zone(z.Zone))
			if d.s.Now.Before(z.Until.Time) && p.Cloud.Shape != "" && z.Until.After(until[l]) {
				lacking[l], until[l] = p, z.Until.Time
			}
		}
	}
	for _, p := range d.pools {
		if p.reason != "" || p.spec == nil || len(lacking) == 0 {
			continue
		}
		var first time.Time
		var by *pool
		for _, zone := range p.places {
			l := p.lackIn(zone)
			if lacking[l] == nil {
				by = nil
				break
			}
			if by == nil || until[l].Before(first) {
				by, first = lacking[l], until[l]
			}
		}
		if by != nil {
			p.reason = BackedOff
			p.message = fmt.Sprintf("no capacity for %s in any of its zones, as pool %s found, until %s", p.Cloud.Shape, by.Name, first.UTC().Format("15:04:05 UTC"))
		}
	}
}
