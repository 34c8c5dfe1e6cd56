package doctor

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/cloudprovider"
)

var instanceStopped = Check{
	ID:       "instance-stopped",
	Title:    "the machine behind the Node runs",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Remedy:   "start the instance, or let it be replaced: a stopped worker is billed for its boot volume and counts in its pool",
	Action:   ActionReplace,
	First:    ActionReplace, // what is off cannot be rebooted
	Applies:  instanceGone.Applies,
	Run: func(_ context.Context, p Patient) Finding {
		if f, blind := cloudBlind(p); blind {
			return f
		}
		if p.Node.Instance == nil {
			return skip("InstanceGone", "there is no machine")
		}
		if p.Node.Instance.State != cloudprovider.Stopped {
			return pass(p.Node.Instance.State.String())
		}
		f := Finding{State: Fail, Reason: "InstanceStopped", Observed: cloudprovider.Stopped.String(), Since: p.Now,
			Message: fmt.Sprintf("instance %s is stopped", p.Node.Instance.ID)}
		// The cloud does not say when it stopped; the kubelet's silence does.
		if c := p.Node.Condition(corev1.NodeReady); c != nil && c.Status != corev1.ConditionTrue {
			f.Since = c.LastTransitionTime.Time
		}
		return f
	},
}
