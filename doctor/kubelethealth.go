package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// kubeletCheck is a check on what a kubelet said itself.
func kubeletCheck(run func(ctx context.Context, p Patient, v *KubeletView) Finding) func(context.Context, Patient) Finding {
	return func(ctx context.Context, p Patient) Finding {
		switch {
		case p.Node.Object == nil:
			return skip(ReasonNotApplicable, "the machine has not registered as a Node")
		case p.virtual():
			return skip(ReasonNotApplicable, "a virtual node has no kubelet of its own")
		case p.Look.Kubelets == nil:
			return skip(ReasonNotAsked, "kubelets are not asked without --kubelet")
		}
		v := p.Look.Kubelets[p.Node.Object.Name]
		if v == nil {
			return unknown("NotAskedYet", "its turn has not come yet")
		}
		return run(ctx, p, v)
	}
}

// labelVirtual is OKE's, on nodes without a machine.
const labelVirtual = "node-role.kubernetes.io/virtual-node"

// virtual is whether the node stands for no machine: OKE runs its pods elsewhere.
func (p Patient) virtual() bool {
	if p.Pool != nil && p.Pool.Cloud.Virtual {
		return true
	}
	_, labelled := p.Node.Object.Labels[labelVirtual]
	return labelled
}

// kubeletUnknown is why nothing is known, in the words of the finding.
func kubeletUnknown(err error) Finding {
	var away *unreachable
	switch {
	case errors.Is(err, errForbidden):
		return unknown(ReasonNotPermitted, err.Error())
	case errors.As(err, &away):
		return unknown("KubeletUnreachable", err.Error())
	}
	return unknown(ReasonUnreadable, err.Error())
}

// deaf is how many of the kubelets that were asked gave no answer, and of how
// many.
func (l *Look) deaf() (none, all int) {
	var away *unreachable
	for _, v := range l.Kubelets {
		all++
		if errors.As(v.HealthErr, &away) {
			none++
		}
	}
	return none, all
}

var kubeletHealth = Check{
	ID:       "kubelet-health",
	Title:    "the kubelet answers, and says it is well",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the kubelet's own /healthz: ping, log and syncloop"},
	Remedy:   "journalctl -u kubelet on the node; one that does not answer gives no logs, no exec and no metrics either",
	// Two looks of the usual interval: a kubelet that is being restarted is away for
	// seconds.
	Confirm: time.Minute,
	// Its own word that its loop stands still is one witness, on a node that is
	// Ready: a restart may follow once it has been seen three times, and nothing
	// that destroys.
	Action: ActionReboot, ByVerdict: true,
	Run: kubeletCheck(func(_ context.Context, p Patient, v *KubeletView) Finding {
		var away *unreachable
		switch {
		case v.HealthErr == nil && v.Healthy:
			return pass("ok")
		case v.HealthErr == nil && !strings.Contains(v.Health, "[-]"):
			// A kubelet that is unwell names what fails. Whoever answers otherwise may be
			// somebody on the way.
			return Finding{State: Warn, Reason: "KubeletAnswersOddly", Message: "its /healthz neither is well nor says what is not: " + unwell(v.Health)}
		case v.HealthErr == nil:
			return Finding{State: Fail, Reason: "KubeletUnhealthy", Message: "its /healthz says: " + unwell(v.Health)}
		case !errors.As(v.HealthErr, &away):
			return kubeletUnknown(v.HealthErr)
		case !p.Node.Ready():
			return unknown(ReasonNotReady, "the node is not Ready: "+v.HealthErr.Error())
		}
		if none, all := p.Look.deaf(); 2*none > all {
			return unknown("WayBroken", fmt.Sprintf("%d of %d kubelets do not answer: it is the way to them that is broken: %v", none, all, v.HealthErr))
		}
		return Finding{State: Warn, Reason: "KubeletUnreachable", Message: "others answer, it does not: " + v.HealthErr.Error()}
	}),
}

// unwell are the lines of a verbose /healthz that say what fails, or all of a
// short one.
func unwell(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[-]") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	if len(out) == 0 {
		return strings.TrimSpace(text)
	}
	return some(out)
}

var plegLimits = Limits{Warn: 60, Fail: 180, Source: "seconds since the kubelet last looked at all its pods; at three minutes it calls itself not Ready"}

var kubeletPLEG = Check{
	ID: "kubelet-pleg", Title: "the kubelet keeps up with its pods", Unit: "s", Limits: plegLimits, Evidence: EvidenceLevel,
	Remedy: "the runtime is slow or hangs: look at its log, the disk, and how many containers there are (crictl ps -a)",
	Action: ActionNone,
	Run: kubeletCheck(func(_ context.Context, _ Patient, v *KubeletView) Finding {
		switch {
		case v.MetricsErr != nil:
			return kubeletUnknown(v.MetricsErr)
		case v.Metrics.PLEGSeen.IsZero():
			return unknown(ReasonNotFound, "it does not tell when it last looked at its pods")
		}
		// The kubelet's clock, like ours, may be wrong; one that is ahead is another
		// check's.
		age := max(v.At.Sub(v.Metrics.PLEGSeen), 0)
		f := Finding{State: judge(plegLimits, age.Seconds()), Observed: quantity(math.Round(age.Seconds()), "s")}
		if f.State != Pass {
			f.Reason, f.Message = "PLEGStale", "it last looked at all its pods at "+clock(v.Metrics.PLEGSeen)
			return f
		}
		slow, n := recentOf(v, func(m *KubeletMetrics) Buckets { return m.Relist }).quantile(0.99)
		if n >= 20 && slow >= 3 {
			f.State, f.Reason, f.Message = Warn, "PLEGSlow", fmt.Sprintf("one look in a hundred at its pods takes %s", upTo(slow))
		}
		return f
	}),
}

var runtimeLatencyLimits = Limits{Warn: 10, Source: "the 99th percentile of the runtime's answers to the kubelet, image pulls left out; the kubelet gives up after two minutes"}

var kubeletRuntime = Check{
	ID: "kubelet-runtime", Title: "the runtime answers the kubelet in time", Unit: "s", Limits: runtimeLatencyLimits, Evidence: EvidenceCounter,
	Remedy: "look at the disk of /var/lib/containers (stall-io, disk-space) and the runtime's log; boot volumes have few IOPS unless given more VPUs",
	Action: ActionNone,
	Run: kubeletCheck(func(_ context.Context, _ Patient, v *KubeletView) Finding {
		if v.MetricsErr != nil {
			return kubeletUnknown(v.MetricsErr)
		}
		slow, n := recentOf(v, func(m *KubeletMetrics) Buckets { return m.Runtime }).quantile(0.99)
		if n < 100 {
			return unknown("TooFew", fmt.Sprintf("%.0f answers are too few to judge by", n))
		}
		f := Finding{State: judge(runtimeLatencyLimits, slow), Observed: upTo(slow)}
		if f.State != Pass {
			f.Reason, f.Message = "RuntimeSlow", "one answer in a hundred takes very long"
		}
		return f
	}),
}

// recentOf is a histogram since the last reading of the same process, or since
// its start when there was none.
func recentOf(v *KubeletView, of func(*KubeletMetrics) Buckets) Buckets {
	if v.Before != nil && v.Before.Started.Sub(v.Metrics.Started).Abs() < 2*time.Second {
		return of(v.Metrics).since(of(v.Before))
	}
	return of(v.Metrics)
}

func upTo(bound float64) string {
	if math.IsInf(bound, 1) {
		return "more than any bucket holds"
	}
	return fmt.Sprintf("up to %gs", bound)
}
