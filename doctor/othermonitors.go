package doctor

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// problemTypes are conditions of which True is bad, as node-problem-detector,
// OKE's GPU monitor and Kubernetes itself write them. Of any other condition
// nobody knows which way is up: taking every one for a problem has rebooted
// healthy nodes.
var problemTypes = map[corev1.NodeConditionType]bool{
	corev1.NodeNetworkUnavailable: true,
	"KernelDeadlock":              true, "ReadonlyFilesystem": true, "CorruptDockerOverlay2": true, "FrequentKubeletRestart": true,
	"FrequentContainerdRestart": true, "FrequentUnregisterNetDevice": true, "KubeletUnhealthy": true, "ContainerRuntimeUnhealthy": true, "XfsShutdown": true,
	"IMDSUnreachable": true, "RdmaLinkFlapping": true, "RdmaLink": true, "GpuCount": true, "GpuEcc": true, "GpuBus": true, "GpuPcie": true, "OcaVersion": true, "CpuProfile": true,
}

var otherMonitors = Check{
	ID:       "other-monitors",
	Title:    "no other monitor reports a problem",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "conditions of the Node whose polarity is known, with status True"},
	Remedy:   "kubectl describe node NAME; see that the monitor still runs: conditions of one that was uninstalled stay for ever",
	Action:   ActionNone,
	Applies:  registered,
	Run: func(_ context.Context, p Patient) Finding {
		var what []string
		for _, c := range p.Node.Object.Status.Conditions {
			if problemTypes[c.Type] && c.Status == corev1.ConditionTrue {
				what = append(what, string(c.Type)+" since "+clock(c.LastTransitionTime.Time)+": "+c.Message)
			}
		}
		if len(what) > 0 {
			return Finding{State: Warn, Reason: "ReportedByOthers", Message: strings.Join(what, "; ")}
		}
		return pass("")
	},
}
