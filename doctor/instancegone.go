package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/internal/world"
)

var instanceGone = Check{
	ID:       "instance-gone",
	Title:    "the machine behind the Node exists",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Remedy:   "delete the Node if the cloud controller does not: its machine was terminated outside of Kubernetes",
	// There is no machine left that could be replaced.
	Action: ActionNone,
	// The cloud's list and the Node's removal are never simultaneous.
	Confirm: 2 * time.Minute,
	Applies: func(p Patient) (bool, string) {
		if ok, why := pooled(p); !ok {
			return false, why
		}
		return registered(p)
	},
	Run: func(_ context.Context, p Patient) Finding {
		if f, blind := cloudBlind(p); blind {
			return f
		}
		if p.Node.Instance != nil {
			return pass("")
		}
		return Finding{State: Fail, Reason: "InstanceGone",
			Message: fmt.Sprintf("node pool %s does not list instance %s", p.Pool.Cloud.Name, world.ProviderID(p.Node.Object))}
	},
}

// cloudBlind answers for checks that need the cloud's side when it is not
// fresh: an unanswered cloud has lost no machine.
func cloudBlind(p Patient) (Finding, bool) {
	err := p.Look.Snapshot.CloudErr
	if err == nil && p.Pool != nil {
		err = p.Pool.Cloud.Health.Err
	}
	if err == nil {
		return Finding{}, false
	}
	return unknown(ReasonCloudUnreachable, fmt.Sprintf("the cloud does not answer: %v", err)), true
}
