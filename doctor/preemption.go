package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// labelPreemptible is OKE's, on nodes whose machine Oracle may take back.
const labelPreemptible = "oci.oraclecloud.com/oke-is-preemptible"

// preemption tells a machine that Oracle takes back from one that broke. There is
// no notice of it in the instance's metadata; what can be seen from outside is
// that Compute ends an instance that nobody has asked OKE to end. It looks at
// nodes on their way out too: that is the moment.
var preemption = Check{
	ID:       "preemption",
	Title:    "Oracle has not taken the machine back",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Limits:   Limits{Source: "Compute's state of a preemptible instance against OKE's"},
	Remedy:   "nothing is broken: preemptible capacity comes and goes; pods that cannot bear it belong on another pool",
	Action:   ActionNone,
	Leaving:  true,
	Applies: func(p Patient) (bool, string) {
		labelled := p.Node.Object != nil && p.Node.Object.Labels[labelPreemptible] != ""
		return labelled || p.Pool != nil && p.Pool.Cloud.Preemptible, "the machine is not preemptible"
	},
	Run: func(_ context.Context, p Patient) Finding {
		if f, blind := cloudBlind(p); blind {
			return f
		}
		in := p.Node.Instance
		if in == nil {
			return Finding{State: Info, Reason: "Preempted", Message: "the machine is gone: Oracle has taken it back, or somebody terminated it"}
		}
		outside := in.Fault != nil && (in.State == cloudprovider.Deleting || in.State == cloudprovider.Stopped)
		if !outside {
			return pass(in.State.String())
		}
		f := Finding{State: Info, Reason: "Preempted", Observed: in.State.String(),
			Message: "Compute ends the machine and OKE did not ask for it: Oracle takes it back: " + in.Fault.Message}
		if age := p.Now.Sub(in.Created); !in.Created.IsZero() {
			f.Observed += fmt.Sprintf(", %s old", age.Truncate(time.Minute))
		}
		return f
	},
}
