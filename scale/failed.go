package scale

import (
	"fmt"
	"sort"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/world"
)

// judgePools says which pools cannot grow and why, and takes back what failed
// to come. A pool whose growth failed is backed off in the same look, so that
// the next pool serves the pods at once.
func (d *decision) judgePools() {
	for _, p := range d.pools {
		p.reason, p.message = d.judge(p)
	}
}

func (d *decision) judge(p *pool) (Reason, string) {
	if p.spec == nil {
		return ScaleOff, ""
	}
	if p.Object.Status.Scale != nil {
		p.record = p.Object.Status.Scale.DeepCopy()
	}
	if err := d.s.CloudErr; err != nil {
		return CloudUnavailable, err.Error()
	}
	if err := p.Cloud.Health.Err; err != nil {
		return CloudUnavailable, err.Error()
	}
	if len(p.failed) > 0 && p.Run() == nil {
		// Failed entries of a pool in a run are the cycle's: it counts them
		// against its surge.
		t := takeBack(p)
		d.plan.TakeBacks = append(d.plan.TakeBacks, t)
		p.record = backOff(p.record, d.s.Now, d.p, t.Faults[0].Class, t.why())
	} else if n := d.ghosts(p); n > 0 && (p.Run() == nil || p.Paused()) {
		p.record = backOff(p.record, d.s.Now, d.p, cloudprovider.FaultRegistration.String(), count(n, "machine")+" never became a node")
	} else if d.forgiven(p) {
		p.record = nil
	}
	still := p.Standstill(d.s.Now)
	switch {
	case backedOff(p.record, d.s.Now):
		return BackedOff, fmt.Sprintf("%s, until %s", p.record.Message, p.record.BackoffUntil.UTC().Format("15:04:05 UTC"))
	case len(p.Cloud.Placements) == 0:
		return NoPlacement, "the node pool has no placement"
	case still != "":
		return PoolCycling, still
	case p.Run() != nil && p.Cloud.Size < p.base:
		return PoolCycling, fmt.Sprintf("its run has yet to raise the pool from %d to %d", p.Cloud.Size, p.base)
	}
	return "", ""
}

// ghosts counts machines that had their time to join and did not.
func (d *decision) ghosts(p *pool) (n int) {
	for _, x := range p.Nodes {
		if x.Object == nil && x.Stage() != world.StageTerminating && x.Stage() != world.StageFailed && d.late(x) {
			n++
		}
	}
	return n
}

func takeBack(p *pool) TakeBack {
	t := TakeBack{Pool: p.Name, ID: p.Cloud.ID, From: p.Cloud.Size, To: max(0, p.Cloud.Size-len(p.failed)), pool: p.Pool}
	counts := map[Fault]int{}
	for _, n := range p.failed {
		f := Fault{Class: "Unknown"}
		if fault := n.Instance.Fault; fault != nil {
			f = Fault{Class: fault.Class.String(), Message: oneLine(fault.Message)}
		}
		counts[f]++
	}
	for f, n := range counts {
		f.Count = n
		t.Faults = append(t.Faults, f)
	}
	sort.Slice(t.Faults, func(i, j int) bool {
		a, b := t.Faults[i], t.Faults[j]
		if a.Count != b.Count {
			return a.Count > b.Count
		}
		return a.Class+a.Message < b.Class+b.Message
	})
	if len(t.Faults) > 3 {
		t.Faults = t.Faults[:3] // a status is no place for fifty messages
	}
	return t
}

// oneLine is a cloud's message without line breaks, cut at 200 bytes.
func oneLine(s string) string { return plain.Cut(strings.Join(strings.Fields(s), " "), 200) }

// backOff is the record after a failure at now. While the pool is backed off
// already the failure is the same one, seen again before its entries were gone,
// and the wait does not grow.
func backOff(old *v1alpha1.ScaleStatus, now time.Time, p Policy, reason, message string) *v1alpha1.ScaleStatus {
	if backedOff(old, now) {
		return old
	}
	next := &v1alpha1.ScaleStatus{Failures: 1, Reason: reason, Message: message}
	if old != nil {
		next.Failures = old.Failures + 1
	}
	wait := p.BackoffFirst
	for i := int32(1); i < next.Failures && wait < p.BackoffMax; i++ {
		wait *= 2
	}
	// To the second, as Kubernetes stores times: what is read back must be equal.
	until := metav1.NewTime(now.Add(min(wait, p.BackoffMax)).Truncate(time.Second))
	next.BackoffUntil = &until
	return next
}

func backedOff(r *v1alpha1.ScaleStatus, now time.Time) bool {
	return r != nil && r.BackoffUntil != nil && now.Before(r.BackoffUntil.Time)
}

// forgiven is whether the pool's failures are to be forgotten: a machine made
// since the wait has become a node, or a long time has passed.
func (d *decision) forgiven(p *pool) bool {
	r := p.record
	if r == nil || r.BackoffUntil == nil {
		return true
	}
	until := r.BackoffUntil.Time
	if d.s.Now.Sub(until) > d.p.BackoffForget {
		return true
	}
	for _, n := range p.Nodes {
		if n.Object != nil && n.Stage() != world.StageTerminating && n.Created().After(until) {
			return true
		}
	}
	return false
}
