package doctor

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/cloudprovider"
)

var registration = Check{
	ID:       "registration",
	Title:    "the machine became a Node",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Limits:   Limits{Source: "OKE gives a VM 20 minutes to join, and bare metal about an hour"},
	Remedy:   "look at the instance's console history: usual causes are a subnet without a route to the control plane, a missing service gateway, an image that does not fit",
	// There is no Node to put a request on; growth that fails is taken back by
	// scaling.
	Action: ActionNone,
	Applies: func(p Patient) (bool, string) {
		return p.Node.Object == nil, "the machine has registered"
	},
	Run: func(_ context.Context, p Patient) Finding {
		in := p.Node.Instance
		switch {
		case in.State == cloudprovider.Failed:
			return neverMade(in)
		case in.State == cloudprovider.Creating:
			return unknown(ReasonJoining, "the cloud is making the machine")
		case in.State != cloudprovider.Running:
			return skip(ReasonNotApplicable, "the machine is "+in.State.String())
		case in.Created.IsZero():
			return unknown("AgeUnknown", "the cloud does not tell when the machine was made")
		case p.Joining():
			return unknown(ReasonJoining, "the machine was made at "+clock(in.Created))
		}
		message := fmt.Sprintf("instance %s runs since %s and has no Node after %s", in.ID, clock(in.Created), p.Grace)
		if in.Fault != nil {
			message += fmt.Sprintf(": %s: %s", in.Fault.Code, in.Fault.Message)
		}
		return Finding{State: Fail, Reason: cloudprovider.FaultRegistration.String(), Message: message, Since: in.Created.Add(p.Grace)}
	},
}

// neverMade is an entry of the pool that the cloud could not make a machine of.
func neverMade(in *cloudprovider.Instance) Finding {
	f := Finding{State: Fail, Reason: cloudprovider.FaultUnknown.String(), Message: "the cloud could not make the machine and does not say why",
		Remedy: "scaling takes the growth back and tries another pool; look at the tenancy's limits and at the shape's capacity in this availability domain"}
	if in.Fault != nil {
		f.Reason = in.Fault.Class.String()
		f.Message = fmt.Sprintf("the cloud could not make the machine: %s: %s", in.Fault.Code, in.Fault.Message)
	}
	return f
}
