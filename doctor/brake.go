package doctor

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Brake says whether repair of a pool is stopped for a common cause, with the
// numbers it was decided on.
type Brake struct {
	Pool   *world.Pool
	Closed bool
	Reason BrakeReason
	// Message has the arithmetic, also when the brake is open.
	Message string
}

// BrakeReason is the reason of the Pool's condition Braked.
type BrakeReason string

const (
	// BrakeOpen: repair may go on.
	BrakeOpen BrakeReason = "NoCommonCause"
	// BrakeCloud: the cloud does not answer, or not for this pool.
	BrakeCloud BrakeReason = "CloudUnreachable"
	// BrakeTooManyBroken: more nodes of the pool fail than maxBroken.
	BrakeTooManyBroken BrakeReason = "TooManyBroken"
	// BrakeSameFault: one check fails on many nodes of the cluster.
	BrakeSameFault BrakeReason = "SameFault"
	// BrakeNotJoining: machines of the pool do not become nodes, so a
	// replacement would not either.
	BrakeNotJoining BrakeReason = "NewNodesNotJoining"
)

// brakesOf decides on every pool whose repair is on, in order of the snapshot.
func brakesOf(s *world.Snapshot, cases []Case, policy Policy) []Brake {
	byPool := map[*world.Pool][]Case{}
	for _, c := range cases {
		byPool[c.Patient.Pool] = append(byPool[c.Patient.Pool], c)
	}
	common := commonFaults(cases, policy)
	var out []Brake
	for _, pool := range s.Pools {
		if pool.RepairSpec() != nil {
			out = append(out, brakeOf(s, pool, byPool[pool], common, policy))
		}
	}
	return out
}

// unbrake finds the Pools on which a brake was left when their repair was
// switched off.
func unbrake(s *world.Snapshot) []*v1alpha1.Pool {
	var out []*v1alpha1.Pool
	for _, pool := range s.Pools {
		if pool.Object == nil || pool.RepairSpec() != nil {
			continue
		}
		c := meta.FindStatusCondition(pool.Object.Status.Conditions, v1alpha1.ConditionBraked)
		if c == nil {
			continue
		}
		switch BrakeReason(c.Reason) {
		case BrakeOpen, BrakeCloud, BrakeTooManyBroken, BrakeSameFault, BrakeNotJoining:
			out = append(out, pool.Object)
		}
	}
	return out
}

func brakeOf(s *world.Snapshot, pool *world.Pool, cases []Case, common map[string]string, policy Policy) Brake {
	closed := func(r BrakeReason, message string) Brake { return Brake{pool, true, r, shorten(message)} }
	if s.CloudErr != nil {
		return closed(BrakeCloud, fmt.Sprintf("the cloud does not answer since %s", clock(s.CloudObserved)))
	}
	if err := pool.Cloud.Health.Err; err != nil {
		return closed(BrakeCloud, fmt.Sprintf("the node pool cannot be read since %s", clock(pool.Cloud.Health.Observed)))
	}
	if names := notJoining(cases); len(names) > 0 {
		return closed(BrakeNotJoining, fmt.Sprintf("%d %s of the pool did not become Ready in time: %s", len(names), plural(len(names), "machine"), some(names)))
	}
	for _, c := range cases {
		for _, f := range c.failures() {
			if why, ok := common[f.Check]; ok && c.fails() {
				return closed(BrakeSameFault, why)
			}
		}
	}
	broken, total := count(cases)
	limit, rule := maxBroken(pool, total, policy)
	message := fmt.Sprintf("%s; at most %d = %s", broken, limit, rule)
	if broken.nodes > limit {
		return closed(BrakeTooManyBroken, message)
	}
	return Brake{pool, false, BrakeOpen, shorten(message)}
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
	for _, check := range Checks() {
		if t.by[check.ID] > 0 {
			t.checks = append(t.checks, check.ID)
		}
	}
	return t, t.total
}

// maxBroken is how many nodes of the pool may fail, and how that comes about. A
// percentage is at least one node, or no small pool could ever be repaired; a
// number is taken as written.
func maxBroken(pool *world.Pool, total int, policy Policy) (limit int, rule string) {
	value := intstr.Parse(policy.MaxBroken)
	if v := pool.RepairSpec().MaxBroken; v != nil {
		value = *v
	}
	if value.Type == intstr.Int {
		return value.IntValue(), "maxBroken"
	}
	limit, err := intstr.GetScaledValueFromIntOrPercent(&value, total, false)
	if err != nil {
		return 0, fmt.Sprintf("maxBroken %q, which is neither a number nor a percentage", value.StrVal)
	}
	return max(limit, 1), fmt.Sprintf("maxBroken %s of %d, rounded down, at least 1", value.StrVal, total)
}

// notJoining are the machines of the pool that run for longer than joining
// takes and have no Node, or one that has never been Ready.
func notJoining(cases []Case) []string {
	var names []string
	for _, c := range cases {
		n := c.Patient.Node
		switch {
		case n.Object == nil:
			for _, f := range c.failures() {
				if f.Check == registration.ID && n.Instance.State == cloudprovider.Running {
					names = append(names, n.Name())
				}
			}
		case c.fails() && neverReady(n):
			names = append(names, n.Name())
		}
	}
	return names
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

// commonFaults are the checks that fail on too many nodes of the cluster, each
// with its arithmetic.
func commonFaults(cases []Case, policy Policy) map[string]string {
	nodes, failing := 0, map[string]int{}
	for _, c := range cases {
		if c.Verdict.Status == "" {
			continue
		}
		nodes++
		for _, f := range c.failures() {
			failing[f.Check]++
		}
	}
	out := map[string]string{}
	for check, n := range failing {
		if n > policy.CommonCount && float64(n) > policy.CommonShare*float64(nodes) {
			out[check] = fmt.Sprintf("%s fails on %d of the cluster's %d nodes; at most %d, or %.0f%%", check, n, nodes, policy.CommonCount, policy.CommonShare*100)
		}
	}
	return out
}
