package scale

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/limit"
)

// settledIn is how long an available node has had time to be given pods.
const settledIn = 5 * time.Minute

// fuse is whether the pool must not grow: its fuse has blown, or blows now. It
// is asked when pods are left that no node helps, and only a pool that such a
// pod would make grow blows: empty nodes that nobody asks for are idle, no
// more.
func (d *decision) fuse(p *pool, pods []*waiting) {
	if p.spec == nil || p.reason != "" {
		return
	}
	if p.record != nil && p.record.Fuse != nil {
		f := p.record.Fuse
		p.reason, p.message = Runaway, f.Message+", until "+f.Until.UTC().Format("15:04:05 UTC")
		return
	}
	why := d.p.Fuse.Blown(d.newNodes(p))
	if why == "" || !d.wanted(p, pods) {
		return
	}
	if list := p.Mismatches(d.s.Now); len(list) > 0 {
		// What a person would look for first.
		why += oneLine(fmt.Sprintf("; node %s is not as its pool's description: %s", list[0].Node.Name(), list[0].Differences[0]))
	}
	until := metav1.NewTime(d.s.Now.Add(d.p.FuseFor).Truncate(time.Second))
	if p.record == nil {
		p.record = &v1alpha1.ScaleStatus{}
	} else {
		p.record = p.record.DeepCopy()
	}
	p.record.Fuse = &v1alpha1.FuseRecord{Until: until, Message: why}
	p.reason, p.message = Runaway, fmt.Sprintf("%s, until %s", why, until.UTC().Format("15:04:05 UTC"))
}

// worth is the record, or nil when nothing is left in it.
func worth(r *v1alpha1.ScaleStatus) *v1alpha1.ScaleStatus {
	if r.BackoffUntil == nil && r.Failures == 0 && len(r.Zones) == 0 && r.Fuse == nil && r.LastScaleUp == nil && r.LastScaleDown == nil {
		return nil
	}
	return r
}

// newNodes is what became of the machines that came within the window.
func (d *decision) newNodes(p *pool) limit.New {
	var out limit.New
	for _, n := range p.Nodes {
		created := n.Created()
		if created.IsZero() || d.s.Now.Sub(created) > d.p.FuseWindow {
			continue
		}
		switch {
		case d.late(n) && (n.Object == nil || !n.Ready()) && n.Stage() != world.StageTerminating:
			out.All++
			out.Lost++
		case n.Stage() == world.StageAvailable && d.settled(n):
			out.All++
			if idle(n.Pods) {
				out.Empty++
			}
		}
	}
	return out
}

func (d *decision) settled(n *world.Node) bool {
	since := n.Registered()
	if at := n.ReadySince(); at.After(since) {
		since = at
	}
	if c := n.Condition(v1alpha1.NodeConditionProblem); c != nil && c.LastTransitionTime.After(since) {
		since = c.LastTransitionTime.Time
	}
	return d.s.Now.Sub(since) >= settledIn
}

// idle is whether nothing but DaemonSets' pods ever ran there, as far as is
// seen: what has ended counts as use.
func idle(pods []*corev1.Pod) bool {
	for _, pod := range pods {
		if !ofDaemonSet(pod) && !mirror(pod) {
			return false
		}
	}
	return true
}

// wanted is whether a pod would make the pool grow.
func (d *decision) wanted(p *pool, pods []*waiting) bool {
	if p.room() == 0 {
		return false
	}
	d.sim.Fork()
	defer d.sim.Revert()
	var names []string
	for _, zone := range p.Cloud.Zones() {
		names = append(names, d.addNew(p, p.template(zone), ""))
	}
	for _, w := range pods {
		if _, ok := d.fitsAny(w, names); ok {
			return true
		}
	}
	return false
}
