package scale

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/scale/buffer"
)

// leaveOut refuses the pods of groups that cannot be helped wholly: the room
// that some of them would take is better given to others. Questions are put
// aside until all others have their room.
func (d *decision) leaveOut(pods []*waiting) []*waiting {
	var out []*waiting
	for _, w := range pods {
		if buffer.Asks(w.pod) {
			d.questions = append(d.questions, w)
			continue
		}
		name, _ := buffer.Group(w.pod)
		if why := d.without[name]; why != "" {
			d.refuse(w.pod, GroupIncomplete, why)
			continue
		}
		out = append(out, w)
	}
	return out
}

// hold refuses pods that fit no node and for which nothing is to grow yet, or
// ever.
func (d *decision) hold(pods []*waiting) []*waiting {
	var out []*waiting
	for _, w := range pods {
		if buffer.ChecksOnly(w.pod) {
			d.refuse(w.pod, NoRoomNow, "the room that was found is gone, and nothing grows for a question")
			continue
		}
		if left := d.p.podDelay(w.pod) - max(d.s.Theirs().Sub(w.pod.CreationTimestamp.Time), 0); left > 0 && buffer.Owner(w.pod) == "" {
			d.refuse(w.pod, PodDelayed, "nothing grows for it for another "+span(left.Round(time.Second)))
			continue
		}
		out = append(out, w)
	}
	return out
}

// answer says of each question whether there is room on the nodes that are
// there for all of its pods at once. Room that was found is kept.
func (d *decision) answer() {
	slices.SortStableFunc(d.questions, func(a, b *waiting) int { return strings.Compare(buffer.Owner(a.pod), buffer.Owner(b.pod)) })
	for len(d.questions) > 0 {
		owner := buffer.Owner(d.questions[0].pod)
		n := 1
		for n < len(d.questions) && buffer.Owner(d.questions[n].pod) == owner {
			n++
		}
		asked := d.questions[:n]
		d.questions = d.questions[n:]
		if where := d.roomFor(asked); where != nil {
			for i, w := range asked {
				d.help(w, HelpExisting, where[i])
			}
			continue
		}
		for _, w := range asked {
			d.refuse(w.pod, NoRoomNow, "the nodes that are there have no room for all of its kind")
		}
	}
}

// roomFor places the pods on nodes that are there, all of them or, with nil,
// none.
func (d *decision) roomFor(pods []*waiting) []string {
	where := make([]string, len(pods))
	d.sim.Fork()
	for i, w := range pods {
		if where[i], _ = d.sim.Schedule(w.pod, d.there); where[i] == "" {
			d.sim.Revert()
			return nil
		}
	}
	d.sim.Commit()
	return where
}

// podDelay is how old the pod must be: its annotation's word or the policy's. A
// word that is no duration is as if it were not there.
func (p Policy) podDelay(pod *corev1.Pod) time.Duration {
	if text, ok := pod.Annotations[v1alpha1.AnnotationScaleUpDelay]; ok {
		if d, err := time.ParseDuration(text); err == nil && d >= 0 {
			return d
		}
	}
	return p.NewPodDelay
}

// maxRegroup bounds how often a look is decided anew because groups were not
// helped wholly. The last time all such groups are left out at once.
const maxRegroup = 4

// incomplete are the groups that the plan helps in part, and why that is not
// enough. With all set it lists every one, else the one whose pods are most
// likely not to be missed: the one with the most pods that are not helped.
func incomplete(s *world.Snapshot, plan *Plan, all bool) map[string]string {
	groups := map[string]*group{}
	for _, v := range plan.Verdicts {
		if v.pod == nil || v.Reason == GroupIncomplete {
			continue
		}
		name, size := buffer.Group(v.pod)
		if name == "" {
			continue
		}
		g := groups[name]
		if g == nil {
			g = &group{name: name}
			groups[name] = g
		}
		g.size = max(g.size, size)
		g.pods++
		if v.Help == HelpNone {
			g.not++
			g.why = string(v.Reason)
		}
		if v.Help == HelpGrowth || v.Help == HelpKept {
			g.costs = true
		}
	}
	if len(groups) == 0 {
		return nil
	}
	countBound(s, groups)
	out := map[string]string{}
	var worst *group
	for _, g := range groups {
		why := g.lacks()
		// A group that takes nothing that would not be there anyway harms nobody.
		if why == "" || !g.costs {
			continue
		}
		if all {
			out[g.name] = why
		} else if worst == nil || g.not > worst.not || g.not == worst.not && g.name < worst.name {
			worst = g
		}
	}
	if worst != nil {
		out[worst.name] = worst.lacks()
	}
	return out
}

// group is pods that are of use only together.
type group struct {
	name            string
	size, pods, not int
	bound           int
	why             string
	costs           bool
}

func (g *group) lacks() string {
	switch {
	case g.not > 0:
		return fmt.Sprintf("%d of the %d pods that group %s waits for could not be helped: %s", g.not, g.pods, g.name, g.why)
	case g.pods+g.bound < g.size:
		return fmt.Sprintf("group %s has %d of its %d pods", g.name, g.pods+g.bound, g.size)
	}
	return ""
}

// countBound counts the members that run already.
func countBound(s *world.Snapshot, groups map[string]*group) {
	count := func(nodes []*world.Node) {
		for _, n := range nodes {
			for _, pod := range n.Pods {
				if name, _ := buffer.Group(pod); name != "" && groups[name] != nil {
					groups[name].bound++
				}
			}
		}
	}
	for _, p := range s.Pools {
		count(p.Nodes)
	}
	count(s.Unmanaged)
}
