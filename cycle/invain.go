package cycle

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Whether a single node's new boot volume has the release that the pool gives now, or
// again the one that the node had, Oracle's pages tell in both ways. So what came back
// is looked at: a node that was renewed and differs all the same is still to be
// replaced, nothing new is begun, and when it is certain, new boot volumes are given
// up: a run of that strategy is refused, one that only fell back on them waits for room.
//
//	renewed ─► differs ─► ReleaseKept, nothing new is begun ─► for 5 minutes ─► Refused, or rung Waiting
//	                                  └──► the cloud has told late: it goes on

// imageLag is for how long the cloud may tell the image that a machine had before.
const imageLag = 5 * time.Minute

// inVain is a node that the run has given a new boot volume and that does not run what
// the pool gives; nil if there is none. It is certain when the cloud has had its time to
// tell.
func (d *decision) inVain(run *v1alpha1.CycleStatus) (found *world.Node, certain bool) {
	for _, n := range d.pool.Nodes {
		if !machine(n) || goingAway(n) || n.Mark != nil || !n.Ready() || !broughtBack(n, run) || drift(n, d.pool.Cloud.Release) == "" {
			continue
		}
		if d.s.Now.Sub(renewed(n)) >= imageLag {
			return n, true
		}
		found = n
	}
	return found, false
}

// notChanged says of a node what its new boot volume has not changed.
func (d *decision) notChanged(n *world.Node) string {
	at := renewed(n)
	return fmt.Sprintf("node %s has had a new boot volume since %s, and still differs: %s", n.Name(), clock(&at), drift(n, d.pool.Cloud.Release))
}

// renewedInVain is why a run by new boot volumes cannot do what it is for; "" while it
// can.
func (d *decision) renewedInVain(run *v1alpha1.CycleStatus) string {
	n, certain := d.inVain(run)
	if !certain || strategyOf(nil, run) != v1alpha1.StrategyBootVolume {
		return ""
	}
	hint := "choose another strategy"
	if !strings.HasPrefix(run.Request, driftRequest) { // mode Auto sees that by itself
		hint += " and set a new value of annotation " + v1alpha1.AnnotationCycle
	}
	return d.notChanged(n) + ". A new boot volume brings what the node had, and not what the pool gives now: " + hint
}

// doubtsVolumes holds a run while it is not clear whether new boot volumes are of any use.
func (d *decision) doubtsVolumes(run *v1alpha1.CycleStatus, _ *v1alpha1.CycleSpec, _ []stale) *Wait {
	if n, certain := d.inVain(run); n != nil && !certain {
		return &Wait{ReleaseKept, d.notChanged(n) + "; the cloud has five minutes to tell otherwise"}
	}
	return nil
}

// leaveVolumes takes a run off the rung of new boot volumes when they are of no use: what
// it wants is a machine in the place of each, and for that it waits. That is before the
// budget is read, for the rung's own lets a node be missing.
func (d *decision) leaveVolumes(run *v1alpha1.CycleStatus) {
	if n, certain := d.inVain(run); certain && run.Rung == rungBootVolume {
		d.down(run, d.notChanged(n))
	}
}
