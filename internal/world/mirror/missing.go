package mirror

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// patience is how long a machine may take to become a node before its Pool says
// that it did not; a pool's own joinTimeout counts first. It is a little more than
// the cycle's, so that what is mended by itself in time is never told.
const patience = 25 * time.Minute

// missing are the machines that are no nodes: those that never became one in
// their time, and those whose Node is gone with them. Who is on the way, or on the
// way out, is not missing.
func missing(p *world.Pool, now time.Time) []*world.Node {
	limit := patience
	if c := p.CycleSpec(); c != nil && c.JoinTimeout != nil && c.JoinTimeout.Duration > 0 {
		limit = c.JoinTimeout.Duration + time.Minute
	}
	var out []*world.Node
	for _, n := range p.Nodes {
		age := now.Sub(n.Created())
		if n.Created().IsZero() { // Compute forgets a machine that was ended, and with it its birth
			age = n.Watched(now)
		}
		if n.Object != nil || age < limit {
			continue
		}
		switch n.Stage() {
		case world.StageLaunching, world.StageJoining, world.StageLost:
			out = append(out, n)
		}
	}
	return out
}

// notJoined names the first of them and what would be done about it.
func notJoined(p *world.Pool, missing []*world.Node) string {
	name := string(missing[0].ID())
	if i := missing[0].Instance; i != nil && i.Name != "" {
		name = i.Name
	}
	message := fmt.Sprintf("%d of %d machines are no nodes: %s", len(missing), len(p.Nodes), name)
	if len(missing) > 1 {
		message += fmt.Sprintf(" and %d more", len(missing)-1)
	}
	if r := p.RepairSpec(); p.ScaleSpec() == nil && (r == nil || r.Mode != v1alpha1.RepairOn) {
		message += "; with spec.repair.mode On another would be made"
	}
	return message
}
