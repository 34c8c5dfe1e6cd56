package scale

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/scale/limit"
)

// cooling is why no node of the pool is let go for the moment: it was raised,
// lowered or failed to grow a moment ago, or the cluster is to keep as much.
func (s *shrinking) cooling(p *pool) (Reason, string) {
	if r := p.Object.Status.Scale; r != nil {
		for _, c := range []struct {
			what  string
			at    *metav1.Time
			delay time.Duration
		}{
			{"raised", r.LastScaleUp, s.p.DelayAfterAdd},
			{"lowered", r.LastScaleDown, s.p.DelayAfterDelete},
			{"refused a growth", failedAt(r, s.p), s.p.DelayAfterFailure},
		} {
			if c.at != nil && s.s.Now.Sub(c.at.Time) < c.delay {
				return CoolingDown, fmt.Sprintf("the pool was %s %s ago, and %s are waited for", c.what, span(s.s.Now.Sub(c.at.Time)), span(c.delay))
			}
		}
	}
	have := s.purse.total()
	for _, q := range s.pools {
		have = have.Add(s.purse.each[q], -float64(len(q.leaving)+s.gone[q]))
	}
	if n, b := s.p.Limits.Spare(have, s.purse.each[p], 1); n == 0 && b.Thing != limit.Nothing {
		return ClusterAtMin, fmt.Sprintf("the cluster is to keep %s", b.Thing)
	}
	return "", ""
}

// failedAt is when the pool's last growth failed, as far as its wait tells.
func failedAt(r *v1alpha1.ScaleStatus, p Policy) *metav1.Time {
	if r.BackoffUntil == nil || r.Failures == 0 {
		return nil
	}
	at := metav1.NewTime(r.BackoffUntil.Add(-p.wait(r.Failures)))
	return &at
}

// keepMemory carries into the new record what stands for itself: the times that
// cooldowns count from, a fuse, and zones without capacity, each for as long as
// it matters. That the pool's failures are forgiven does not change them.
func (d *decision) keepMemory(p *pool) {
	if p.spec == nil || p.Object.Status.Scale == nil {
		return
	}
	old := p.Object.Status.Scale
	next := v1alpha1.ScaleStatus{}
	if p.record != nil {
		next = *p.record.DeepCopy()
	}
	recent := func(at *metav1.Time, delay time.Duration) *metav1.Time {
		if at == nil || d.s.Now.Sub(at.Time) >= delay {
			return nil
		}
		return at
	}
	next.LastScaleUp, next.LastScaleDown = recent(old.LastScaleUp, d.p.DelayAfterAdd), recent(old.LastScaleDown, d.p.DelayAfterDelete)
	if next.Fuse = nil; old.Fuse != nil && d.s.Now.Before(old.Fuse.Until.Time) {
		next.Fuse = old.Fuse.DeepCopy()
	}
	next.Zones = nil
	for _, z := range old.Zones {
		// While the pool's failures are remembered so are those of its zones: the
		// next wait is twice as long.
		if d.s.Now.Before(z.Until.Time) || p.record != nil && d.s.Now.Sub(z.Until.Time) < d.p.BackoffForget {
			next.Zones = append(next.Zones, z)
		}
	}
	p.record = worth(&next)
}

// noteTime writes into the verdict's record that the pool was raised or
// lowered, when a cooldown counts from it.
func (v *PoolVerdict) noteTime(now time.Time, p Policy, up bool) {
	if up && p.DelayAfterAdd == 0 || !up && p.DelayAfterDelete == 0 {
		return
	}
	if v.Scale == nil {
		v.Scale = &v1alpha1.ScaleStatus{}
	} else {
		v.Scale = v.Scale.DeepCopy()
	}
	at := metav1.NewTime(now.Truncate(time.Second))
	if up {
		v.Scale.LastScaleUp = &at
	} else {
		v.Scale.LastScaleDown = &at
	}
}
