package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// RuntimeState is what the container runtime says of itself and of its work.
type RuntimeState struct {
	// Name and Version as the runtime gives them, "cri-o" and "1.34.2".
	Name, Version string
	// Conditions that are not true, with their reason: "NetworkReady: no CNI
	// configuration".
	NotReady []string
	// Stuck are containers that were created longer than five minutes ago and never
	// started; Sandboxes those whose pod has none that is ready.
	Stuck, Sandboxes int
	// Images is why it could not say what its images take, "" when it could: with
	// the disk of its data gone it still answers everything else.
	Images string
	// Took is the slowest answer.
	Took time.Duration
}

var runtimeLimits = Limits{Warn: 2, Source: "seconds for the slowest answer; node-problem-detector gives crictl two"}

var runtimeStatus = Check{
	ID: "runtime-status", Title: "the container runtime is ready", Unit: "s", Limits: runtimeLimits, Evidence: EvidenceLevel,
	Remedy: "journalctl -u crio (or containerd) on the node; NetworkReady is the CNI plugin's: look at its pod in kube-system",
	Action: ActionNone,
	Run: askingRuntime(func(s RuntimeState) Finding {
		f := Finding{State: judge(runtimeLimits, s.Took.Seconds()), Observed: fmt.Sprintf("%s %s, %.3fs", s.Name, s.Version, s.Took.Seconds())}
		switch {
		case len(s.NotReady) > 0:
			f.State, f.Reason, f.Message = Fail, "RuntimeNotReady", strings.Join(s.NotReady, "; ")
		case f.State != Pass:
			f.Reason, f.Message = "RuntimeSlow", "it answers slowly"
		}
		return f
	}),
}

var creationLimits = Limits{Warn: 1, Fail: 3, Source: "containers that were created over five minutes ago and never started"}

// A runtime whose data disk is gone answers every question about itself with
// "ready", and every creation with an error: nodes have stayed Ready so for days.
// What it was asked to make, and has not, tells.
var runtimeCreates = Check{
	ID: "runtime-creates", Title: "the container runtime starts what it creates", Unit: "containers", Limits: creationLimits, Evidence: EvidenceLevel,
	Remedy: "crictl ps -a --state created and journalctl -u crio tell why; when its storage is damaged, replace the node",
	Action: ActionNone,
	Run: askingRuntime(func(s RuntimeState) Finding {
		f := Finding{State: judge(creationLimits, float64(s.Stuck)), Observed: fmt.Sprintf("%d of %d sandboxes", s.Stuck, s.Sandboxes)}
		switch {
		case s.Images != "":
			f.State, f.Reason, f.Message = Fail, "RuntimeStorage", "it cannot say what its images take: "+s.Images
		case f.State != Pass:
			f.Reason, f.Message = "RuntimeDoesNotStart", "containers wait in state created"
		}
		return f
	}),
}

func askingRuntime(judge func(RuntimeState) Finding) func(context.Context, Patient) Finding {
	return func(ctx context.Context, p Patient) Finding {
		h := p.Host
		if !h.exists("var/lib/kubelet") {
			if _, err := h.names("var/lib"); err != nil {
				return unreadable("var/lib", err)
			}
			return skip(ReasonNotApplicable, "the host runs no kubelet")
		}
		if h.Runtime == nil {
			return skip(ReasonNotAsked, "the runtime is not asked without --runtime")
		}
		s, err := h.Runtime(ctx)
		if err != nil {
			return unreadable("the container runtime", err)
		}
		return judge(s)
	}
}
