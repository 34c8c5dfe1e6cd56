package doctor

import (
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// triage is a pool among all patients: what signs of a common cause are looked
// for in.
type triage struct {
	s        *world.Snapshot
	pool     *world.Pool
	own, all []Case
	sight    Sight
	limits   limits
	policy   Policy
}

// sign is one sign of a common cause, with its arithmetic.
type sign struct {
	seen    bool
	reason  BrakeReason
	message string
	// at is when it was last seen: now for what is a state, the last of the events
	// for what is a burst.
	at time.Time
}

// signs are looked for in this order; the first names the brake. One that says
// why comes before one that says how many. Those beyond the pool count only for
// a pool that has a broken node itself: one bad thing stays one bad thing.
func (w triage) signs() []sign {
	signs := []sign{w.notJoining(), w.replacementFails()}
	if broken, _ := count(w.own); broken.nodes > 0 {
		signs = append(signs, w.sameFault(), w.tooMany(), w.zoneLost(), w.clusterBroken())
	}
	return signs
}

// tooMany is more broken nodes in the pool than maxBroken.
func (w triage) tooMany() sign {
	broken, total := count(w.own)
	limit, rule := maxBroken(w.limits.maxBroken, total)
	return sign{broken.nodes > limit, BrakeTooManyBroken, fmt.Sprintf("%s; at most %d = %s", broken, limit, rule), w.s.Now}
}

// clusterBroken is more broken nodes in the cluster than its share. In a small
// cluster three are no catastrophe, and what the user allows the one pool he
// allows the cluster.
func (w triage) clusterBroken() sign {
	broken, total := count(w.all)
	_, own := count(w.own)
	pool, _ := maxBroken(w.limits.maxBroken, own)
	limit := max(3, total*w.limits.inCluster/100, pool)
	return sign{broken.nodes > limit, BrakeCluster, fmt.Sprintf("in the cluster %s; at most %d = %d%% of %d, rounded down, at least 3 and what the pool allows",
		broken, limit, w.limits.inCluster, total), w.s.Now}
}

// zoneLost is kube-controller-manager's rule: from 55 % of a zone, and more
// than two nodes, on, it is the zone. It holds for pools with nodes there.
func (w triage) zoneLost() sign {
	broken, total := map[cloudprovider.Zone]int{}, map[cloudprovider.Zone]int{}
	for _, c := range w.all {
		if c.Verdict.Status == "" {
			continue
		}
		total[c.Patient.Node.Zone()]++
		if c.fails() {
			broken[c.Patient.Node.Zone()]++
		}
	}
	for _, c := range w.own {
		zone := c.Patient.Node.Zone()
		if n, of := broken[zone], total[zone]; zone != "" && n > 2 && n*100 >= of*w.limits.inZone {
			return sign{true, BrakeZone, fmt.Sprintf("%d of the %d nodes in %s fail; from %d%%, and more than 2, it is the zone", n, of, zone, w.limits.inZone), w.s.Now}
		}
	}
	return sign{}
}

// sameFault is one check that began to fail on several nodes of the cluster
// within minutes. A node that is being worked on has its reasons to fail. While
// so many still fail it holds twice as long: what they share may be repaired by
// others, and if not, they are repaired one by one at last.
func (w triage) sameFault() sign {
	hold := w.limits.hold
	began := map[string][]time.Time{}
	for _, c := range w.all {
		if n := c.Patient.Node; c.Verdict.Status != "" && n.Mark == nil {
			for _, f := range c.failures() {
				began[f.Check] = append(began[f.Check], onset(c, f))
			}
		}
	}
	var latest sign
	for _, c := range w.own {
		for _, f := range c.failures() {
			at, n, ok := burst(began[f.Check], w.limits.sameFault, w.limits.window)
			if at = at.Add(hold); c.fails() && ok && at.After(latest.at) {
				latest = sign{true, BrakeSameFault, fmt.Sprintf("%s began to fail on %d nodes of the cluster within %s, the last at %s; at most %d",
					f.Check, n, w.limits.window, clock(at.Add(-hold)), w.limits.sameFault-1), earlier(at, w.s.Now)}
			}
		}
	}
	return latest
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// onset is when a failure began: as the cluster dates it, else when the node
// was condemned.
func onset(c Case, f Finding) time.Time {
	if f.Since.IsZero() {
		return condemnedAt(c)
	}
	return f.Since
}

// burst finds the latest time at which at least limit of the times lie within
// the window before it, and how many do.
func burst(times []time.Time, limit int, window time.Duration) (at time.Time, n int, found bool) {
	sort.Slice(times, func(i, j int) bool { return times[i].Before(times[j]) })
	first := 0
	for last := range times {
		for times[last].Sub(times[first]) > window {
			first++
		}
		if last-first+1 >= limit {
			at, n, found = times[last], last-first+1, true
		}
	}
	return at, n, found
}

// notJoining are machines of the pool that run for longer than joining takes
// and have no Node, or one that has never been Ready. A machine made later that
// did join shows that machines can: then the others are single faults.
func (w triage) notJoining() sign {
	var joined time.Time
	for _, c := range w.own {
		if n := c.Patient.Node; n.Object != nil && !neverReady(n) && n.Created().After(joined) {
			joined = n.Created()
		}
	}
	var names []string
	for _, c := range w.own {
		if n := c.Patient.Node; n.Created().After(joined) && stuckJoining(c) {
			names = append(names, n.Name())
		}
	}
	return sign{len(names) >= w.limits.notJoining, BrakeNotJoining, fmt.Sprintf(
		"%d machines of the pool did not become Ready in time, and none made later did: %s; at most %d", len(names), some(names), w.limits.notJoining-1), w.s.Now}
}

func stuckJoining(c Case) bool {
	n := c.Patient.Node
	if n.Object != nil {
		return c.fails() && neverReady(n)
	}
	for _, f := range c.failures() {
		if f.Check == registration.ID && n.Instance.State == cloudprovider.Running {
			return true
		}
	}
	return false
}

// neverReady is whether Ready has been False ever since the node registered:
// the kubelet dates its first report and nothing has moved since.
func neverReady(n *world.Node) bool {
	c := n.Condition(corev1.NodeReady)
	if c == nil {
		return true
	}
	return c.Status == corev1.ConditionFalse && c.LastTransitionTime.Sub(n.Object.CreationTimestamp.Time) < time.Minute
}

// replacementFails is a young node that fails the very check for which a node
// of the pool was replaced before it was born: the fault is in what both were
// made from, or in the check.
func (w triage) replacementFails() sign {
	status := w.pool.Object.Status.Repair
	if status == nil {
		return sign{}
	}
	for _, c := range w.own {
		n := c.Patient.Node
		if n.Object == nil || !c.fails() || condemnedAt(c).Sub(n.Created()) > w.policy.Infancy {
			continue
		}
		for _, f := range c.failures() {
			for _, r := range status.Recent {
				if r.Check == f.Check && r.Action != v1alpha1.ActionReboot && n.Created().After(r.At.Time) {
					return sign{true, BrakeNoHelp, fmt.Sprintf("%s, made after %s was replaced for %s, fails it too", n.Name(), r.Node, r.Check), w.s.Now}
				}
			}
		}
	}
	return sign{}
}

// tally is how many nodes fail, and by which check first.
type tally struct {
	nodes, total int
	checks       []string
	by           map[string]int
}

// String prints "3 of 10 nodes fail (lease 2, ready 1)".
func (t tally) String() string {
	text := fmt.Sprintf("%d of %d nodes fail", t.nodes, t.total)
	if t.nodes == 0 {
		return text
	}
	var parts []string
	for _, id := range t.checks {
		parts = append(parts, fmt.Sprintf("%s %d", id, t.by[id]))
	}
	return text + " (" + strings.Join(parts, ", ") + ")"
}

// count tallies the nodes that were judged; those leaving are not among them.
func count(cases []Case) (tally, int) {
	t := tally{by: map[string]int{}}
	for _, c := range cases {
		if c.Verdict.Status == "" {
			continue
		}
		t.total++
		if c.fails() {
			t.nodes++
			t.by[c.failures()[0].Check]++
		}
	}
	for _, id := range checkOrder() {
		if t.by[id] > 0 {
			t.checks = append(t.checks, id)
		}
	}
	return t, t.total
}

// maxBroken is how many nodes of the pool may fail, and how that comes about. A
// percentage is at least one node, or no small pool could ever be repaired; a
// number is taken as written.
func maxBroken(value intstr.IntOrString, total int) (limit int, rule string) {
	if value.Type == intstr.Int {
		return value.IntValue(), "maxBroken"
	}
	limit, err := intstr.GetScaledValueFromIntOrPercent(&value, total, false)
	if err != nil {
		return 0, fmt.Sprintf("maxBroken %q, which is neither a number nor a percentage", value.StrVal)
	}
	return max(limit, 1), fmt.Sprintf("maxBroken %s of %d, rounded down, at least 1", value.StrVal, total)
}
