package doctor

import (
	"context"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

var providerID = Check{
	ID:       "provider-id",
	Title:    "the Node names its machine",
	Evidence: EvidenceLevel,
	Remedy:   "restart the kubelet with --provider-id, or delete the Node so that it registers again: without it no machine can be matched, scaled down or replaced",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		n := p.Node.Object
		switch {
		case n.Spec.ProviderID != "":
			return pass(n.Spec.ProviderID)
		case n.Labels[v1alpha1.LabelSelfManaged] != "":
			return Finding{State: Info, Reason: "SelfManaged", Message: "a self-managed node without a providerID"}
		case p.Joining():
			return unknown(ReasonJoining, "the cloud controller has not initialised the Node yet")
		}
		return Finding{State: Fail, Reason: "ProviderIDMissing", Message: "spec.providerID is empty"}
	},
}
