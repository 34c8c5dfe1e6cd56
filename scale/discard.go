package scale

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Discard deletes a machine that never became a Node. Nothing ran on it, so
// there is nothing to drain and nobody to ask.
type Discard struct {
	Pool    string                   `json:"pool"`
	ID      cloudprovider.PoolID     `json:"id"`
	Machine cloudprovider.InstanceID `json:"machine"`
	Reason  Reason                   `json:"reason"`
	Message string                   `json:"message"`

	pool  *world.Pool
	after time.Duration // that it must have been watched for
}

// String is "delete machine ocid1... of pool workers: NeverRegistered, ...".
func (d Discard) String() string {
	return because(fmt.Sprintf("delete machine %s of pool %s: %s", d.Machine, d.Pool, d.Reason), d.Message)
}

// maxDiscards is how many machines one look deletes.
const maxDiscards = 10

// discard finds machines that the cloud says run, that had their time to join,
// and that no Node stands for. The cloud must have answered for the pool just
// now, and the machine must have an age: one whose age nobody knows may have
// been made a second ago. While a run is under way it counts such machines
// itself. A pool whose machines do not register is backed off at once: the next
// ones would most likely do the same.
func (s *shrinking) discard() {
	for _, p := range s.pools {
		if p.spec == nil || s.s.CloudErr != nil || p.Cloud.Health.Err != nil || p.Run() != nil || p.Paused() {
			continue
		}
		for _, n := range p.Nodes {
			if len(s.plan.Discards) >= maxDiscards {
				return
			}
			if s.ghost(n) {
				s.plan.Discards = append(s.plan.Discards, Discard{
					Pool: p.Name, ID: p.Cloud.ID, Machine: n.ID(), Reason: NeverRegistered, pool: p.Pool,
					Message: fmt.Sprintf("it is %s and has not become a node in %s", n.Instance.State, span(s.s.Now.Sub(n.Created()).Truncate(time.Minute))),
					after:   s.p.JoinTimeout,
				})
			}
		}
	}
}

// ghost is whether the node is a machine that will not become one any more.
func (s *shrinking) ghost(n *world.Node) bool {
	return n.Object == nil && n.Instance != nil && !n.ID().Placeholder() && s.late(n) &&
		(n.Instance.State == cloudprovider.Running || n.Instance.State == cloudprovider.Creating)
}

// watchUnjoined remembers since when each machine that is no node has been watched. Its
// age is the word of the cloud's clock, and that may have been set since it was made:
// who has just begun would take one of three minutes for one of a day. A delete cannot
// be undone, so a machine has its time to join under our eyes, too. [world.Node.Watched]
// is no less than this: one whose Node somebody has deleted begins anew here. What a leader
// before this one has put on record counts, see [world.Pool.Awaited].
func (l *Loop) watchUnjoined(s *world.Snapshot) {
	if s.CloudErr != nil {
		return // what is not listed now is not gone
	}
	kept := make(map[cloudprovider.InstanceID]time.Time, len(l.unjoined))
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			if n.Object != nil || n.ID().Placeholder() {
				continue
			}
			since, watched := l.unjoined[n.ID()]
			if !watched {
				since = s.Now
			}
			if at := p.Awaited(n); !at.IsZero() && at.Before(since) {
				since = at
			}
			kept[n.ID()] = since
		}
	}
	l.unjoined = kept
}

// discard deletes the machine. The pool shrinks with it; if that leaves it below
// its minimum, or pods still wait, the next look after the backoff grows it.
func (l *Loop) discard(ctx context.Context, d Discard) error {
	if err := l.confirm(ctx, d.pool, true); err != nil {
		return fmt.Errorf("delete machine %s of pool %s: %w", d.Machine, d.Pool, err)
	}
	if watched := time.Since(l.unjoined[d.Machine]); watched < d.after {
		l.Log.Debug("machine is watched", "machine", d.Machine, "for", watched, "deletedAfter", d.after)
		return nil
	}
	if err := l.Fleet.Delete(ctx, d.ID, d.Machine); err != nil {
		l.say(d.pool.Object, nil, corev1.EventTypeWarning, eventGhostStays, "ScaleUp", fmt.Sprintf("machine %s could not be deleted: %s", d.Machine, oneLine(err.Error())))
		return fmt.Errorf("delete machine %s of pool %s: %w", d.Machine, d.Pool, err)
	}
	l.Log.Info(d.String())
	l.say(d.pool.Object, nil, corev1.EventTypeWarning, eventTimedOut, "ScaleUp", d.String())
	l.say(d.pool.Object, nil, corev1.EventTypeNormal, eventGhostGone, "ScaleUp", "removed machine "+string(d.Machine)+", which never became a node")
	l.metrics.oldRemoved.Inc()
	l.metrics.failed([]Fault{{Class: cloudprovider.FaultRegistration.String(), Count: 1}})
	return nil
}
