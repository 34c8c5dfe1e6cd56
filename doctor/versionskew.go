package doctor

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"
)

var skewLimits = Limits{Warn: 3,
	Source: "Kubernetes' version skew policy: a kubelet is never newer than the API server, and at most three minor versions older"}

var versionSkew = Check{
	ID:       "version-skew",
	Title:    "the kubelet's version fits the control plane",
	Unit:     "minor versions",
	Limits:   skewLimits,
	Evidence: EvidenceLevel,
	Remedy:   "cycle the pool to the control plane's version: kubectl annotate pool/NAME tidemill.dev/upgrade-to=VERSION",
	// The remedy is a turn-over of the pool at its own pace. That is also why an
	// old kubelet only warns: failing would take the whole pool out of service
	// at once, and leave no node that the turn-over could spare.
	Action:  ActionNone,
	Applies: registered,
	Run: func(_ context.Context, p Patient) Finding {
		server, err := version.ParseGeneric(p.Look.Snapshot.ControlPlane)
		if err != nil {
			return unknown("ControlPlaneUnknown", "the API server's version is not known")
		}
		text := p.Node.Object.Status.NodeInfo.KubeletVersion
		kubelet, err := version.ParseGeneric(text)
		if err != nil {
			return unknown(ReasonUnreadable, fmt.Sprintf("the node reports %q as its kubelet's version", text))
		}
		behind := int(server.Minor()) - int(kubelet.Minor())
		f := Finding{State: Pass, Observed: fmt.Sprintf("%s, control plane %s", text, p.Look.Snapshot.ControlPlane)}
		switch {
		case kubelet.Major() != server.Major() || behind < 0:
			f.State, f.Reason, f.Message = Fail, "KubeletTooNew", "kubelet "+text+" is newer than control plane "+p.Look.Snapshot.ControlPlane
		case behind > int(skewLimits.Warn):
			f.State, f.Reason, f.Message = Warn, "KubeletUnsupported", fmt.Sprintf("kubelet %s is %d minor versions behind control plane %s", text, behind, p.Look.Snapshot.ControlPlane)
		case behind == int(skewLimits.Warn):
			f.State, f.Reason, f.Message = Warn, "KubeletAtLimit", "kubelet "+text+" will be unsupported by the next version of the control plane"
		}
		return f
	},
}
