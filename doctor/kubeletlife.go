package doctor

import (
	"context"
	"fmt"
	"math"
	"time"
)

var kubeletRotation = Check{
	ID:       "kubelet-rotation",
	Title:    "the kubelet's certificates are good and rotate",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the kubelet's own count of seconds to their end; two weeks before it, with errors at renewing, or an hour before it in any case. rotateCertificates as Oracle's node doctor asks"},
	Remedy:   "kubectl get csr shows what waits for approval; a node whose certificate has run out is replaced",
	Action:   ActionNone,
	Run: kubeletCheck(func(_ context.Context, _ Patient, v *KubeletView) Finding {
		if v.MetricsErr != nil {
			return kubeletUnknown(v.MetricsErr)
		}
		m := v.Metrics
		left := math.Min(numberOr(m.ClientTTL, math.Inf(1)), numberOr(m.ServerTTL, math.Inf(1)))
		if math.IsInf(left, 1) {
			return unknown(ReasonNotFound, "it does not tell when its certificates end")
		}
		end := v.At.Add(time.Duration(math.Min(math.Max(left, -1e9), 1e9)) * time.Second).Truncate(time.Hour)
		f := pass(fmt.Sprintf("%.1f days left", left/86400))
		switch {
		case left <= 0:
			f.State, f.Reason, f.Message = Fail, "CertificateExpired", "a certificate has run out at about "+clock(end)
		case left < 3600 || left < 14*86400 && m.RenewErrors > 0:
			f.State, f.Reason, f.Message = Warn, "CertificateNotRenewed", fmt.Sprintf("a certificate ends at about %s, and renewing it has failed %.0f times", clock(end), m.RenewErrors)
		case v.Config["rotateCertificates"] == "false":
			f.State, f.Reason, f.Message = Warn, "RotationOff", "rotateCertificates is false: at its end the node falls silent"
		}
		return f
	}),
}

func numberOr(v, fallback float64) float64 {
	if math.IsNaN(v) {
		return fallback
	}
	return v
}

// restartWindow is how far back restarts count, and restartLimits how many; as
// node-problem-detector has it.
const restartWindow = 20 * time.Minute

var restartLimits = Limits{Warn: 3, Fail: 5, Source: "starts within 20 minutes; node-problem-detector alarms at five"}

var kubeletRestarts = Check{
	ID: "kubelet-restarts", Title: "the kubelet stays up", Unit: "starts", Limits: restartLimits, Evidence: EvidenceCounter,
	Remedy: "journalctl -u kubelet names why it ends: a configuration it does not take, a runtime that is away, no memory",
	Action: ActionNone,
	Run: kubeletCheck(func(_ context.Context, p Patient, v *KubeletView) Finding {
		if v.MetricsErr != nil {
			return kubeletUnknown(v.MetricsErr)
		}
		n := 0
		for _, at := range v.Starts {
			if p.Now.Sub(at) < restartWindow {
				n++
			}
		}
		f := Finding{State: judge(restartLimits, float64(n)), Observed: "since " + clock(v.Metrics.Started.Truncate(time.Minute))}
		first := p.Node.Object.CreationTimestamp.Time
		switch {
		case f.State != Pass:
			f.Reason, f.Message = "KubeletRestarts", fmt.Sprintf("it was started %d times, last at %s", n, clock(v.Metrics.Started.Truncate(time.Minute)))
		case n > 0 && v.Metrics.Started.Sub(first) > restartWindow:
			f.State, f.Reason, f.Message = Info, "KubeletRestarted", "it was started anew at "+clock(v.Metrics.Started.Truncate(time.Minute))
		}
		return f
	}),
}
