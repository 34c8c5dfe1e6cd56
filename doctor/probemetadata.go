package doctor

import (
	"context"
	"fmt"
	"net/http"
)

var metadataLimits = Limits{Warn: 1, Source: "OCI answers in milliseconds; Oracle's unreleased repairer calls silence IMDSUnreachable"}

var metadataService = Check{
	ID: "metadata-service", Title: "the instance metadata service answers", Unit: "s", Limits: metadataLimits, Evidence: EvidenceLevel,
	Remedy: "without it there are no instance principals and no new nodes: check the host's route to 169.254.0.0/16 and its firewall (OCI's images have rules for it in BareMetalInstanceServices)",
	Action: ActionNone,
	Run: probing(func(ctx context.Context, _ Patient, q *Probes) Finding {
		status, _, took, err := q.get(ctx, q.Metadata+"/instance/id", oracle)
		f := Finding{State: judge(metadataLimits, took.Seconds()), Observed: fmt.Sprintf("%.3fs", took.Seconds())}
		switch {
		case err != nil:
			f.State, f.Reason, f.Message = Fail, "MetadataUnreachable", fmt.Sprintf("%d tries: %v", tries, err)
		case status != http.StatusOK:
			f.State, f.Reason, f.Message = Fail, "MetadataRefused", fmt.Sprintf("it answers %d", status)
		case f.State != Pass:
			f.Reason, f.Message = "MetadataSlow", "it answers slowly"
		}
		return f
	}),
}

var registryReach = Check{
	ID: "registry", Title: "the region's container registry can be reached", Evidence: EvidenceLevel,
	Limits: Limits{Source: "any answer to GET /v2/ will do, also 401: it says that DNS, route, gateway and TLS work"},
	Remedy: "a private subnet needs a service gateway for all services of the region, a route rule to it, and an egress rule for TCP 443",
	Action: ActionNone,
	Run: probing(func(ctx context.Context, _ Patient, q *Probes) Finding {
		region, err := q.region(ctx)
		if err != nil {
			return unknown("RegionUnknown", err.Error())
		}
		url := q.Registry(region)
		status, _, took, err := q.get(ctx, url, nil)
		f := Finding{State: Pass, Observed: fmt.Sprintf("%d in %.3fs", status, took.Seconds())}
		switch {
		case err != nil && untrusted(err):
			f.State, f.Reason, f.Message = Warn, "RegistryUntrusted", fmt.Sprintf("%s answers with a certificate that the host does not trust: %v", url, err)
		case err != nil:
			f.State, f.Reason, f.Message = Fail, "RegistryUnreachable", fmt.Sprintf("%d tries: %v", tries, err)
		case status >= 500:
			f.State, f.Reason, f.Message = Warn, "RegistryBroken", fmt.Sprintf("%s answers %d", url, status)
		}
		return f
	}),
}
