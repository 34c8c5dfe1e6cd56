package cycle

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// Kind says what a step does.
type Kind string

// The kinds. Those above the line are records in the Pool's status and are
// written before any other step of the pool; the rest acts.
const (
	// StartRun records the request, the time and the desired size.
	StartRun Kind = "StartRun"
	// FinishRun ends the record.
	FinishRun Kind = "FinishRun"
	// RefuseRequest records that a request was looked at and cannot be met.
	RefuseRequest Kind = "RefuseRequest"
	// BackOff records that the cloud had no room, and until when not to ask.
	BackOff Kind = "BackOff"
	// CountJoinFailure records an instance that did not become available.
	CountJoinFailure Kind = "CountJoinFailure"
	// AdoptSize records the size that somebody has given the pool in mid-run.
	AdoptSize Kind = "AdoptSize"
	// Delegate records when the cloud was asked to do it, and asks.
	Delegate Kind = "Delegate"
	// ────
	// SetRelease makes a release what new instances get.
	SetRelease Kind = "SetRelease"
	// TakeBack lowers the size by entries that failed to become machines.
	TakeBack Kind = "TakeBack"
	// Surge raises the size.
	Surge Kind = "Surge"
	// Taint and Untaint put and take the PreferNoSchedule taint.
	Taint   Kind = "Taint"
	Untaint Kind = "Untaint"
	// Mark says on the Node why it is taken, and cordons it.
	Mark Kind = "Mark"
	// Drain asks pods to leave.
	Drain Kind = "Drain"
	// DeleteInstance deletes a machine that was drained, or was never a Node.
	DeleteInstance Kind = "DeleteInstance"
	// Refill ends the entry of a machine that does not exist any more, or never became
	// a node, and the pool makes another: its size stays.
	Refill Kind = "Refill"
	// Reboot and ReplaceBootVolume restart the machine of an empty node.
	Reboot            Kind = "Reboot"
	ReplaceBootVolume Kind = "ReplaceBootVolume"
	// Keep holds a cluster-autoscaler off a node, and Forget takes that and every
	// other note of the run off it.
	Keep   Kind = "Keep"
	Forget Kind = "Forget"
	// OutOfService says that the node's machine is proven not to run, and
	// InService takes that back.
	OutOfService Kind = "OutOfService"
	InService    Kind = "InService"
	// Skip gives a node back for a while.
	Skip Kind = "Skip"
	// Release gives a node back.
	Release Kind = "Release"
)

// Kinds are all of them, in the order in which a node meets them.
var Kinds = []Kind{StartRun, FinishRun, RefuseRequest, BackOff, CountJoinFailure, AdoptSize, Delegate, SetRelease, TakeBack, Surge, Taint, Untaint,
	Mark, Drain, DeleteInstance, Refill, Reboot, ReplaceBootVolume, Keep, Forget, OutOfService, InService, Skip, Release}

// record is whether the step is written into the Pool's status.
func (k Kind) record() bool {
	switch k {
	case StartRun, FinishRun, RefuseRequest, BackOff, CountJoinFailure, AdoptSize, Delegate:
		return true
	}
	return false
}

// risky is whether a step decided on an old view of the cluster could break a
// promise; it is confirmed against a live one first.
func (k Kind) risky() bool { return k == SetRelease || k == Surge || k == Mark || k == Delegate }

// disturbs is whether a step asks pods to leave, or ends or restarts a machine: what a
// person has stopped meanwhile is not gone on with.
func (k Kind) disturbs() bool {
	return k == Drain || k == DeleteInstance || k == Refill || k == Reboot || k == ReplaceBootVolume
}

// Step is one thing to do. Which fields are set depends on the kind.
type Step struct {
	Kind   Kind                 `json:"step"`
	Pool   string               `json:"pool"`
	PoolID cloudprovider.PoolID `json:"-"`
	// Node is the Node's name, or the instance's ID if there is none.
	Node string `json:"node,omitempty"`
	// NodeUID is "" for an instance that never became a Node.
	NodeUID  types.UID                `json:"nodeUID,omitempty"`
	Instance cloudprovider.InstanceID `json:"instance,omitempty"`
	From     int                      `json:"from,omitempty"`
	To       int                      `json:"to,omitempty"`
	Release  *cloudprovider.Release   `json:"release,omitempty"`
	Request  string                   `json:"request,omitempty"`
	Outcome  string                   `json:"outcome,omitempty"`
	Cause    kube.Cause               `json:"cause,omitempty"`
	Reason   Reason                   `json:"reason,omitempty"`
	Message  string                   `json:"message,omitempty"`
	Until    *time.Time               `json:"until,omitempty"`
	// Tries is how often the drain of a node that is skipped has run out of time.
	Tries int `json:"tries,omitempty"`
	// Alone is how many of the last ones in a row ran out of time while no other node of
	// the pool was being emptied.
	Alone  int               `json:"alone,omitempty"`
	Action kube.RepairAction `json:"action,omitempty"`
	Rung   string            `json:"rung,omitempty"`
	// Keep is whether a Taint also does what Keep does, in the same write, and
	// whether a Forget leaves the notes that a run still needs.
	Keep    bool                   `json:"keep,omitempty"`
	Cycling *cloudprovider.Cycling `json:"cycling,omitempty"`
	// Force is whether a Drain may delete what the Eviction API refuses.
	Force bool `json:"force,omitempty"`
}

// String reads like a sentence.
func (s Step) String() string {
	switch s.Kind {
	case StartRun:
		return fmt.Sprintf("start a run of pool %s for %s, at a size of %d", s.Pool, s.Request, s.To)
	case FinishRun:
		return fmt.Sprintf("finish the run of pool %s: %s%s", s.Pool, s.Outcome, because(s.Message))
	case RefuseRequest:
		return fmt.Sprintf("refuse %s of pool %s: %s: %s", s.Request, s.Pool, s.Reason, s.Message)
	case BackOff:
		return fmt.Sprintf("do not grow pool %s before %s%s: %s", s.Pool, clock(s.Until), onRung(s.Rung), s.Message)
	case AdoptSize:
		return fmt.Sprintf("adopt size %d of pool %s instead of %d: %s", s.To, s.Pool, s.From, s.Message)
	case Delegate:
		return fmt.Sprintf("let OKE cycle pool %s (surge %d, unavailable %d): %s", s.Pool, s.Cycling.MaxSurge, s.Cycling.MaxUnavailable, s.Message)
	case Reboot:
		return fmt.Sprintf("reboot instance %s of node %s", s.Instance, s.Node)
	case ReplaceBootVolume:
		return fmt.Sprintf("replace the boot volume of instance %s of node %s", s.Instance, s.Node)
	case Keep:
		return fmt.Sprintf("keep cluster-autoscaler off node %s", s.Node)
	case Forget:
		return fmt.Sprintf("take the run's notes off node %s", s.Node)
	case CountJoinFailure:
		return fmt.Sprintf("count instance %s of pool %s as a failed join: %s", s.Instance, s.Pool, s.Message)
	case SetRelease:
		return fmt.Sprintf("set the release of pool %s to %s", s.Pool, s.Release)
	case TakeBack:
		return fmt.Sprintf("take pool %s back from %d to %d: %s", s.Pool, s.From, s.To, s.Message)
	case Surge:
		return fmt.Sprintf("grow pool %s from %d to %d%s", s.Pool, s.From, s.To, because(s.Message))
	case Taint:
		return fmt.Sprintf("taint node %s as outdated%s", s.Node, because(s.Message))
	case Untaint:
		return fmt.Sprintf("untaint node %s", s.Node)
	case Mark:
		return fmt.Sprintf("cordon node %s for %s (%s)%s%s", s.Node, s.Cause, s.Reason, toBe(s.Action), because(s.Message))
	case Drain:
		return fmt.Sprintf("drain node %s for %s", s.Node, s.Cause)
	case DeleteInstance:
		if s.NodeUID == "" {
			return fmt.Sprintf("delete instance %s, which is no node", s.Instance)
		}
		return fmt.Sprintf("delete instance %s of node %s", s.Instance, s.Node)
	case Refill:
		return fmt.Sprintf("have a new machine made for instance %s of pool %s: %s", s.Instance, s.Pool, s.Message)
	case OutOfService:
		return fmt.Sprintf("take node %s out of service: %s", s.Node, s.Message)
	case InService:
		return fmt.Sprintf("put node %s in service: %s", s.Node, s.Message)
	case Skip:
		return fmt.Sprintf("give node %s back until %s (%s)%s", s.Node, clock(s.Until), s.Reason, because(s.Message))
	case Release:
		return fmt.Sprintf("give node %s back (%s)%s", s.Node, s.Reason, because(s.Message))
	}
	return fmt.Sprintf("unknown step %q", string(s.Kind))
}

func onRung(rung string) string {
	if rung == rungTop || rung == rungWaiting {
		return ""
	}
	return " and try rung " + rung + " then"
}

func toBe(a kube.RepairAction) string {
	switch a {
	case kube.RepairReboot:
		return ", to be rebooted"
	case kube.RepairReplaceBootVolume:
		return ", to get a new boot volume"
	}
	return ""
}

// several is "1 node" or "2 nodes", and with a verb "1 node is" or "2 nodes are".
func several[N int | int32](n N, noun string, verb ...string) string {
	one, many := "", ""
	if len(verb) == 2 {
		one, many = " "+verb[0], " "+verb[1]
	}
	if n == 1 {
		return fmt.Sprintf("%d %s%s", n, noun, one)
	}
	return fmt.Sprintf("%d %ss%s", n, noun, many)
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

func clock(t *time.Time) string { return t.UTC().Format(time.RFC3339) }
