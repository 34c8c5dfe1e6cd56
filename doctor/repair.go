package doctor

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// Plan is what is to be done about the cases of one look.
type Plan struct {
	// Publish and Drop are conditions of Nodes, see publish.go.
	Publish []Publication
	Drop    []*world.Node
	// Repairs has one entry for every failing node of a pool whose repair is on,
	// also when nothing is done about it, and one for every request that is taken
	// back. In order of pool, then node.
	Repairs []Repair
	// Brakes has one entry for every pool whose repair is on.
	Brakes []Brake
	// Unbrake are Pools that carry the doctor's condition Braked though their
	// repair is off.
	Unbrake []*v1alpha1.Pool
}

// Repair is what is done about one node, and why.
type Repair struct {
	Pool *world.Pool
	Node *world.Node
	Act  Act
	// Check is the check whose failure asks for it; "" for Withdraw.
	Check string
	// Since is when the node was condemned.
	Since time.Time
	// Reason says why not, or why it is taken back.
	Reason  RepairReason
	Message string
}

// Act is what repair does about a node.
type Act int

const (
	// ActNone: nothing; the reason says why.
	ActNone Act = iota
	// ActReport: it would ask, but the pool's mode is DryRun.
	ActReport
	// ActRequest: it asks for a replacement by annotation.
	ActRequest
	// ActWithdraw: it takes its own request back, which nobody has acted on.
	ActWithdraw
)

// String gives the act as metrics spell it.
func (a Act) String() string {
	switch a {
	case ActReport:
		return "report"
	case ActRequest:
		return "request"
	case ActWithdraw:
		return "withdraw"
	}
	return "none"
}

// RepairReason is why a failing node is not, or no longer, to be replaced.
type RepairReason string

const (
	// ReasonNotRepairable: no failing check may ask for a replacement.
	ReasonNotRepairable RepairReason = "NotRepairable"
	// ReasonTooEarly: it has not failed for spec.repair.after.
	ReasonTooEarly RepairReason = "TooEarly"
	// ReasonNoInstance: there is no machine to replace.
	ReasonNoInstance RepairReason = "NoInstance"
	// ReasonMarked: the node is in a disruption already.
	ReasonMarked RepairReason = "Marked"
	// ReasonRequested: somebody has asked already.
	ReasonRequested RepairReason = "Requested"
	// ReasonDoNotDisrupt: the node's annotation forbids it.
	ReasonDoNotDisrupt RepairReason = "DoNotDisrupt"
	// ReasonOtherController: another controller works on the node.
	ReasonOtherController RepairReason = "OtherController"
	// ReasonPaused: a person has paused the pool.
	ReasonPaused RepairReason = "Paused"
	// ReasonBraked: a common cause is likelier; see the pool's Brake.
	ReasonBraked RepairReason = "Braked"
	// ReasonHealed: a request is taken back since the node is well again.
	ReasonHealed RepairReason = "Healed"
	// ReasonRepairOff: a request is taken back since repair is not on any more.
	ReasonRepairOff RepairReason = "RepairOff"
)

// requestPrefix begins the value of the doctor's own requests.
const requestPrefix = "doctor/"

// requestValue is the annotation's value: who asks, why, and since when the
// node is condemned, so that the same failure always gives the same value.
func requestValue(check string, since time.Time) string {
	return requestPrefix + check + "/" + clock(since)
}

// Decide says what to write and what to ask for. It is pure.
func Decide(s *world.Snapshot, cases []Case, policy Policy) Plan {
	policy = policy.withDefaults()
	var plan Plan
	plan.Publish, plan.Drop = publications(s, cases, policy)
	plan.Unbrake = unbrake(s)
	brakes := map[*world.Pool]Brake{}
	for _, b := range brakesOf(s, cases, policy) {
		brakes[b.Pool] = b
		plan.Brakes = append(plan.Brakes, b)
	}
	for _, c := range cases {
		if r, ok := repair(s, c, brakes[c.Patient.Pool], policy); ok {
			plan.Repairs = append(plan.Repairs, r)
		}
	}
	return plan
}

// repair decides on one node; false when there is nothing to say.
func repair(s *world.Snapshot, c Case, brake Brake, policy Policy) (Repair, bool) {
	pool, n := c.Patient.Pool, c.Patient.Node
	if pool == nil || n.Object == nil {
		return Repair{}, false
	}
	r := Repair{Pool: pool, Node: n}
	spec := pool.RepairSpec()
	own := strings.HasPrefix(n.Object.Annotations[v1alpha1.AnnotationCycle], requestPrefix) && n.Mark == nil && n.MarkErr == nil
	switch {
	case own && (spec == nil || spec.Mode != v1alpha1.RepairOn):
		return r.withdraw(ReasonRepairOff, "repair of the pool is not on any more"), true
	case own && c.Verdict.Status == corev1.ConditionFalse:
		return r.withdraw(ReasonHealed, "the node is well again"), true
	case own && brake.Closed:
		return r.withdraw(ReasonBraked, brake.Message), true
	case spec == nil || !c.fails():
		return Repair{}, false
	}
	r.Since = condemnedAt(c)
	r.Check, r.Reason, r.Message = refusal(s, c, brake, spec, policy)
	switch {
	case r.Reason != "":
	case spec.Mode == v1alpha1.RepairOn:
		r.Act = ActRequest
	default:
		r.Act = ActReport
	}
	return r, true
}

func (r Repair) withdraw(reason RepairReason, message string) Repair {
	r.Act, r.Reason, r.Message = ActWithdraw, reason, message
	return r
}

// refusal names the check that asks, and why it is not followed; an empty
// reason means that nothing speaks against it.
func refusal(s *world.Snapshot, c Case, brake Brake, spec *v1alpha1.RepairSpec, policy Policy) (check string, reason RepairReason, message string) {
	n := c.Patient.Node
	f, ok := repairable(c)
	if !ok {
		return c.failures()[0].Check, ReasonNotRepairable, "a replacement would not help, or the cluster does not say since when: a person must look"
	}
	key, foreign := otherController(n.Object)
	protected, _ := world.DoNotDisrupt(n.Object.Annotations, n.Created(), s.Now)
	due := dueAt(c, f, spec, policy)
	switch {
	case n.Instance == nil:
		return f.Check, ReasonNoInstance, "the cloud lists no machine for it"
	case n.Mark != nil || n.MarkErr != nil:
		return f.Check, ReasonMarked, "it is in a disruption already"
	case n.Object.Annotations[v1alpha1.AnnotationCycle] != "":
		return f.Check, ReasonRequested, "its replacement is asked for: " + n.Object.Annotations[v1alpha1.AnnotationCycle]
	case foreign:
		return f.Check, ReasonOtherController, "another controller works on it: " + key
	case protected:
		return f.Check, ReasonDoNotDisrupt, "its annotation " + v1alpha1.AnnotationDoNotDisrupt + " forbids it"
	case c.Patient.Pool.Paused():
		return f.Check, ReasonPaused, "the pool is paused"
	case s.Now.Before(due):
		return f.Check, ReasonTooEarly, "a replacement is asked for at " + clock(due)
	case brake.Closed:
		return f.Check, ReasonBraked, brake.Message
	}
	return f.Check, "", f.Message
}

// repairable is the first failure that may ask for a replacement: its check
// allows it, and the cluster dates it.
func repairable(c Case) (Finding, bool) {
	for _, f := range c.failures() {
		if actionOf(f.Check) == ActionReplace && !f.Since.IsZero() {
			return f, true
		}
	}
	return Finding{}, false
}

func actionOf(id string) Action {
	for _, c := range Checks() {
		if c.ID == id {
			return c.Action
		}
	}
	return ActionNone
}

// dueAt is when the node has been broken for long enough: both the verdict and
// this very failure must have stood, since the verdict may be older for another
// reason.
func dueAt(c Case, f Finding, spec *v1alpha1.RepairSpec, policy Policy) time.Time {
	after := policy.RepairAfter
	if spec.After != nil {
		after = spec.After.Duration
	}
	since := condemnedAt(c)
	if f.Since.After(since) {
		since = f.Since
	}
	return since.Add(after)
}

// condemnedAt is since when the verdict stands on the Node; now if it does not
// stand there yet.
func condemnedAt(c Case) time.Time {
	stands := c.Patient.Node.Condition(v1alpha1.NodeConditionProblem)
	if stands == nil || stands.Status != corev1.ConditionTrue {
		return c.Patient.Now
	}
	return stands.LastTransitionTime.Time
}

// otherController names a key by which another controller claims the node, or a
// person keeps repairers off it.
func otherController(n *corev1.Node) (key string, found bool) {
	for _, t := range n.Spec.Taints {
		switch t.Key {
		case "ToBeDeletedByClusterAutoscaler", "oci.oraclecloud.com/node-auto-repair-scheduled", "node.kubernetes.io/out-of-service", "karpenter.sh/disrupted":
			return "taint " + t.Key, true
		}
	}
	for _, k := range []string{"oci.oraclecloud.com/nodeautorepair-state", "oci.oraclecloud.com/nodeautorepair-repair-id"} {
		if _, ok := n.Annotations[k]; ok {
			return "annotation " + k, true
		}
	}
	for _, k := range []string{"oke.oraclecloud.com/node_operation", "oci.oraclecloud.com/node-auto-repair-disabled"} {
		if v, ok := n.Labels[k]; ok && v != "false" {
			return fmt.Sprintf("label %s=%s", k, v), true
		}
	}
	return "", false
}
