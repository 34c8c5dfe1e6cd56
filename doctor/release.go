package doctor

import (
	"context"
	"fmt"
	"time"
)

var release = Check{
	ID:       "release",
	Title:    "the node runs what its pool gives to new nodes",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Limits:   Limits{Source: "the pool's Kubernetes version and image, as the cloud tells them"},
	Remedy:   "cycle the pool when it suits: kubectl annotate pool NAME tidemill.dev/cycle=$(date +%F)",
	Action:   ActionNone,
	Applies:  both(registered, pooled),
	Run: func(_ context.Context, p Patient) Finding {
		want := p.Pool.Cloud.Release
		own := p.Node.Object.Status.NodeInfo.KubeletVersion
		if want.Kubernetes == "" {
			return unknown(ReasonCloudUnreachable, "the pool's version is not known")
		}
		f := pass(own)
		switch {
		case own != want.Kubernetes:
			f.State, f.Reason, f.Message = Info, "OtherVersion", fmt.Sprintf("the node runs %s, new nodes get %s", own, want.Kubernetes)
		case p.Node.Instance != nil && p.Node.Instance.Release.Image != "" && want.Image != "" && p.Node.Instance.Release.Image != want.Image:
			f.State, f.Reason, f.Message = Info, "OtherImage", "new nodes get another image: "+want.String()
		}
		return f
	},
}

var ageLimits = Limits{Source: "90 days: OKE publishes images with security fixes monthly"}

// oldAfter is the age at which a node is worth a remark.
const oldAfter = 90 * 24 * time.Hour

var age = Check{
	ID:       "age",
	Title:    "the node is not old",
	Evidence: EvidenceLevel,
	Limits:   ageLimits,
	Remedy:   "cycle the pool to its newest image: what is installed on a node is as old as its image",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		created := p.Node.Created()
		if created.IsZero() {
			return unknown("AgeUnknown", "neither the cluster nor the cloud tells when the node was made")
		}
		if p.Now.Sub(created) > oldAfter {
			return Finding{State: Info, Reason: "NodeOld", Observed: fmt.Sprintf("%d days", int(p.Now.Sub(created).Hours()/24)), Message: "the node runs since " + created.UTC().Format(time.DateOnly)}
		}
		return pass("")
	},
}
