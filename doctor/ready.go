package doctor

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

var ready = Check{
	ID:       "ready",
	Title:    "the kubelet says it is Ready",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "kube-controller-manager sets Unknown after --node-monitor-grace-period, 50 s since v1.32"},
	Remedy:   "look at the kubelet, the container runtime and the network plugin of the node; a node that stays silent is replaced",
	Action:   ActionReplace,
	Gate:     true,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		c := p.Node.Condition(corev1.NodeReady)
		switch {
		case p.Node.Ready():
			return pass("True")
		case p.Joining():
			return unknown(ReasonJoining, "the node has not been Ready yet")
		case c == nil:
			return Finding{State: Fail, Reason: "NeverReported", Since: p.Node.Registered(),
				Message: "the kubelet has registered the Node and never reported its status"}
		}
		// The kubelet's own words are observed, not part of the message: they often
		// carry an age that changes by the second.
		f := Finding{State: Fail, Reason: "KubeletNotReady", Observed: strings.TrimSuffix(string(c.Status)+": "+c.Message, ": "), Since: p.Node.ReadySince()}
		f.Message = fmt.Sprintf("Ready is %s (%s) since %s", c.Status, c.Reason, clock(f.Since))
		if c.Status == corev1.ConditionUnknown {
			f.Reason = "KubeletSilent"
		}
		return f
	},
}
