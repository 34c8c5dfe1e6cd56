package doctor

import (
	"context"
	"fmt"
	"net/http"
)

// kube-proxy is asked for /livez. Its /healthz fails by design on a node that
// cluster-autoscaler or tidemill is about to remove, so that load balancers turn
// away: a monitor that asks it calls every departing node sick.
var kubeProxy = Check{
	ID: "kube-proxy", Title: "kube-proxy is alive", Evidence: EvidenceLevel,
	Limits: Limits{Source: "/livez on port 10256, never /healthz"},
	Remedy: "kubectl -n kube-system logs of the node's kube-proxy; without it Services on this node point to pods that are gone",
	Action: ActionNone,
	Run: probing(func(ctx context.Context, p Patient, q *Probes) Finding {
		if here, err := p.Host.inHostNetwork(); err != nil {
			return unreadable("the host's network devices", err)
		} else if !here {
			return unknown(ReasonNotPermitted, "this process is not in the host's network (hostNetwork), where kube-proxy answers")
		}
		status, _, _, err := q.get(ctx, q.KubeProxy, nil)
		switch {
		case err != nil:
			return Finding{State: Fail, Reason: "ProxySilent", Message: fmt.Sprintf("%d tries: %v", tries, err)}
		case status != http.StatusOK:
			return Finding{State: Fail, Reason: "ProxyNotLive", Message: fmt.Sprintf("/livez answers %d", status)}
		}
		return pass("")
	}),
}

var apiLimits = Limits{Warn: 0.5, Source: "seconds for an answer, any; the kubelet's lease is renewed by the same way every 10 s"}

var apiReach = Check{
	ID: "api-server", Title: "the API server can be reached from the node", Unit: "s", Limits: apiLimits, Evidence: EvidenceLevel,
	Remedy: "check the route and the security lists between the worker subnet and the API endpoint's (TCP 6443 and 12250), and kube-proxy where the Service's address is asked",
	Action: ActionNone,
	Run: probing(func(ctx context.Context, _ Patient, q *Probes) Finding {
		if q.API == "" {
			return skip(ReasonNotApplicable, "this process is in no pod, and knows no API server")
		}
		_, _, took, err := q.get(ctx, q.API, nil)
		f := Finding{State: judge(apiLimits, took.Seconds()), Observed: fmt.Sprintf("%.3fs", took.Seconds())}
		switch {
		case err != nil && !untrusted(err): // an answer in a cluster's own certificate is one
			f.State, f.Reason, f.Message = Fail, "APIUnreachable", fmt.Sprintf("%d tries: %v", tries, err)
		case f.State != Pass:
			f.Reason, f.Message = "APISlow", "it answers slowly"
		}
		return f
	}),
}
