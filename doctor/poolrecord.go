package doctor

import (
	"fmt"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// PoolRecord is what has to stand on a Pool whose repair is on: the doctor's
// part of its status.
type PoolRecord struct {
	Brake  Brake
	Repair v1alpha1.RepairStatus
	// Human are the nodes for which a person is asked, by name, and why.
	Human []Repair
}

// maxRecent bounds the record on the Pool.
const maxRecent = 32

// dailyLimit is how many nodes of a pool are repaired in 24 hours: a tenth of
// them, at least three. More is no run of bad machines.
func dailyLimit(nodes int) int { return min(max(3, nodes/10), maxRecent) }

func recordOf(s *world.Snapshot, b Brake, repairs []Repair) PoolRecord {
	r := PoolRecord{Brake: b, Repair: v1alpha1.RepairStatus{Recent: repairsOf(s, b.Pool)}}
	if !b.LastSign.IsZero() {
		reason := b.Reason
		if b.held != "" {
			reason = b.held
		}
		r.Repair.Brake = &v1alpha1.BrakeRecord{Reason: string(reason), Message: shorten(b.Sign), LastSign: metav1.NewTime(b.LastSign.Truncate(time.Minute))}
	}
	for _, x := range repairs {
		if x.Pool == b.Pool && x.Reason.asksHuman() {
			r.Human = append(r.Human, x)
		}
	}
	return r
}

// repairsOf are the pool's repairs of the last 24 hours: what the Pool has on
// record, and what its Nodes have. A Node's attempt reaches the Pool at the next
// look, long before a drain ends; what was withdrawn leaves both.
func repairsOf(s *world.Snapshot, pool *world.Pool) []v1alpha1.RecentRepair {
	var out []v1alpha1.RecentRepair
	here := map[string]*world.Node{}
	for _, n := range pool.Nodes {
		if n.Object == nil {
			continue
		}
		here[n.Object.Name] = n
		record, err := kube.RepairRecordOf(n.Object)
		if err != nil {
			continue
		}
		for _, a := range attempts(record, s.Now) {
			out = append(out, v1alpha1.RecentRepair{Node: n.Object.Name, Action: actionNames[a.Action], Check: a.Check, At: metav1.NewTime(a.At)})
		}
	}
	if old := pool.Object.Status.Repair; old != nil {
		for _, r := range old.Recent {
			n := here[r.Node]
			if s.Now.Sub(r.At.Time) < attemptWindow && (n == nil || n.Created().After(r.At.Time)) {
				out = append(out, r)
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].At.Before(&out[j].At) })
	return out[max(len(out)-maxRecent, 0):]
}

// status is the record as the doctor applies it; the same record gives the same
// status.
func (r PoolRecord) status(pool *v1alpha1.Pool) *poolStatus {
	braked := metav1.ConditionFalse
	if r.Brake.Closed {
		braked = metav1.ConditionTrue
	}
	out := &poolStatus{Conditions: []metav1.Condition{kube.Condition(pool, v1alpha1.ConditionBraked, braked, string(r.Brake.Reason), r.Brake.Message)}}
	if r.Repair.Brake != nil || len(r.Repair.Recent) > 0 {
		out.Repair = &r.Repair
	}
	if len(r.Human) > 0 {
		out.Conditions = append(out.Conditions, kube.Condition(pool, v1alpha1.ConditionNeedsHuman, metav1.ConditionTrue, string(r.Human[0].Reason), shorten(r.humanMessage())))
	}
	return out
}

func (r PoolRecord) humanMessage() string {
	var names []string
	for _, x := range r.Human {
		names = append(names, x.Node.Name())
	}
	return fmt.Sprintf("%d %s: %s; %s: %s", len(names), plural(len(names), "node"), some(names), r.Human[0].Node.Name(), r.Human[0].Message)
}

// poolStatus is the doctor's part of a Pool's status.
type poolStatus struct {
	Repair     *v1alpha1.RepairStatus `json:"repair,omitempty"`
	Conditions []metav1.Condition     `json:"conditions,omitempty"`
}

// stands is whether the Pool says all this already.
func (p *poolStatus) stands(pool *v1alpha1.Pool) bool {
	if !equality.Semantic.DeepEqual(p.Repair, pool.Status.Repair) {
		return false
	}
	human := false
	for _, want := range p.Conditions {
		have := meta.FindStatusCondition(pool.Status.Conditions, want.Type)
		if have == nil || have.Status != want.Status || have.Reason != want.Reason || have.Message != want.Message {
			return false
		}
		human = human || want.Type == v1alpha1.ConditionNeedsHuman
	}
	return human || meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionNeedsHuman) == nil
}
