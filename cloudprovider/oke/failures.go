package oke

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/plain"
)

// failure is a work request of a pool that failed, and why.
type failure struct {
	work  string // its OCID
	fault cloudprovider.Fault
}

// failureMemory is the answer for a pool as it was at an etag.
type failureMemory struct {
	etag  string
	at    time.Time
	value *failure
}

const (
	// failureAge is how long an answer stands for a pool that does not change.
	failureAge = 5 * time.Minute
	// workRequests is how far back a failure is searched.
	workRequests = 10
	// faultText bounds what is kept of the service's words, in bytes.
	faultText = 1024
)

// failureOf is the work request that explains what the pool does not: nil when
// there is nothing to explain or nothing explains it.
//
// A pool's own list says little: an entry without an instance may have no error,
// one that timed out says InternalError, and a launch refused for a limit may
// leave no entry at all. The reason is in the work request then. It is read once
// for each state of the pool, so that a pool that stays broken costs nothing.
func (p *Provider) failureOf(ctx context.Context, id cloudprovider.PoolID, l look) *failure {
	if !unexplained(l.pool) {
		return nil
	}
	m := p.memory(id)
	m.mu.Lock()
	known := m.failure
	m.mu.Unlock()
	if !known.at.IsZero() && known.etag == str(l.etag) && time.Since(known.at) < failureAge {
		return known.value
	}
	found, err := p.newestFailure(ctx, l.pool, known.value)
	if err != nil {
		p.log.WarnContext(ctx, "read failed work requests", "nodePool", id, "err", err)
		found = known.value
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = failureMemory{str(l.etag), time.Now(), found}
	return found
}

// unexplained is whether the pool shows that something went wrong and not what.
// While the service is at work on it nothing has gone wrong yet.
func unexplained(pool containerengine.NodePool) bool {
	if busy(pool.LifecycleState) {
		return false
	}
	for _, n := range pool.Nodes {
		switch {
		case str(n.Id) == "" && n.NodeError == nil:
			return true
		case n.NodeError != nil && classify(str(n.NodeError.Code), str(n.NodeError.Message)) == cloudprovider.FaultUnknown:
			return true
		case n.LifecycleState == containerengine.NodeLifecycleStateFailing, n.LifecycleState == containerengine.NodeLifecycleStateCreating && n.NodeError == nil:
			return true
		}
	}
	return len(missing(pool)) > 0
}

// newestFailure finds the newest of the pool's finished work requests, and its
// reason if it failed. A later success means that whatever failed has been mended.
func (p *Provider) newestFailure(ctx context.Context, pool containerengine.NodePool, known *failure) (*failure, error) {
	var page *string
	for seen := 0; seen < workRequests; { // a page may be shorter than what was asked for
		r, err := call(ctx, p, p.readPolicy, "ListWorkRequests", func(ctx context.Context) (containerengine.ListWorkRequestsResponse, error) {
			return p.reads.ListWorkRequests(ctx, containerengine.ListWorkRequestsRequest{
				CompartmentId: pool.CompartmentId, ClusterId: &p.cluster, ResourceId: pool.Id, ResourceType: containerengine.ListWorkRequestsResourceTypeNodepool,
				SortBy: containerengine.ListWorkRequestsSortByTimeAccepted, SortOrder: containerengine.ListWorkRequestsSortOrderDesc, Limit: common.Int(workRequests), Page: page,
			})
		})
		if err != nil {
			return nil, err
		}
		for _, w := range r.Items {
			switch {
			case !strings.HasPrefix(string(w.OperationType), "NODEPOOL_"):
			case w.Status == containerengine.WorkRequestStatusSucceeded:
				return nil, nil
			case w.Status == containerengine.WorkRequestStatusFailed && known != nil && known.work == str(w.Id):
				return known, nil
			case w.Status == containerengine.WorkRequestStatusFailed:
				return p.reasonOf(ctx, w)
			}
		}
		if str(r.OpcNextPage) == "" || len(r.Items) == 0 {
			return nil, nil
		}
		seen, page = seen+len(r.Items), r.OpcNextPage
	}
	return nil, nil
}

// reasonOf reads why a work request failed: its errors, and its log where they
// do not tell.
func (p *Provider) reasonOf(ctx context.Context, w containerengine.WorkRequestSummary) (*failure, error) {
	r, err := call(ctx, p, p.readPolicy, "ListWorkRequestErrors", func(ctx context.Context) (containerengine.ListWorkRequestErrorsResponse, error) {
		return p.reads.ListWorkRequestErrors(ctx, containerengine.ListWorkRequestErrorsRequest{CompartmentId: w.CompartmentId, WorkRequestId: w.Id})
	})
	if err != nil {
		return nil, err
	}
	best := cloudprovider.Fault{Code: string(w.OperationType), Message: "the work request failed and does not say why"}
	for i, e := range r.Items {
		if f := fault(str(e.Code), str(e.Message)); i == 0 || best.Class == cloudprovider.FaultUnknown && f.Class != cloudprovider.FaultUnknown {
			best = *f
		}
	}
	if best.Class == cloudprovider.FaultUnknown {
		if told := p.logged(ctx, w); told != nil {
			best = *told
		}
	}
	best.Message = shorten(strings.TrimSpace(best.Message) + " (" + str(w.Id) + ")")
	return &failure{str(w.Id), best}, nil
}

// logged is the last line of the work request's log that says what kind of
// failure it was; nil if none does.
func (p *Provider) logged(ctx context.Context, w containerengine.WorkRequestSummary) *cloudprovider.Fault {
	r, err := call(ctx, p, p.readPolicy, "ListWorkRequestLogs", func(ctx context.Context) (containerengine.ListWorkRequestLogsResponse, error) {
		return p.reads.ListWorkRequestLogs(ctx, containerengine.ListWorkRequestLogsRequest{CompartmentId: w.CompartmentId, WorkRequestId: w.Id})
	})
	if err != nil {
		p.log.WarnContext(ctx, "read log of work request", "workRequest", str(w.Id), "err", err)
		return nil
	}
	for _, line := range slices.Backward(r.Items) {
		if f := fault(string(w.OperationType), str(line.Message)); f.Class != cloudprovider.FaultUnknown {
			return f
		}
	}
	return nil
}

// shorten keeps the beginning of a text, whole characters only.
func shorten(s string) string { return plain.Cut(s, faultText) }

// blame puts a failure on what it explains: entries without a machine that do
// not say why, machines that never came up, and entries that are not even listed.
func blame(list []cloudprovider.Instance, pool containerengine.NodePool, f failure) []cloudprovider.Instance {
	for i := range list {
		in := &list[i]
		dumb := in.Fault == nil || in.Fault.Class == cloudprovider.FaultUnknown
		switch {
		case in.ID.Placeholder() && in.State != cloudprovider.Deleting && dumb:
			why := f.fault
			in.State, in.Fault = cloudprovider.Failed, &why
		case !in.ID.Placeholder() && in.State == cloudprovider.Creating && dumb:
			why := f.fault
			in.Fault = &why
		}
	}
	for _, id := range missing(pool) {
		why := f.fault
		list = append(list, cloudprovider.Instance{ID: id, Pool: cloudprovider.PoolID(str(pool.Id)), Zone: onlyZone(pool),
			Release: cloudprovider.Release{Kubernetes: str(pool.KubernetesVersion)}, State: cloudprovider.Failed, Fault: &why})
	}
	slices.SortFunc(list, func(a, b cloudprovider.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// missing are placeholders for what was asked for and is not listed in any form.
// They are numbered through: entries that are alike need no more, and the same
// ones are missing with the next look.
func missing(pool containerengine.NodePool) []cloudprovider.InstanceID {
	if busy(pool.LifecycleState) {
		return nil
	}
	id := cloudprovider.PoolID(str(pool.Id))
	short := sizeOf(pool.NodeConfigDetails)
	taken := map[cloudprovider.InstanceID]bool{}
	for _, in := range entries(id, pool.Nodes) {
		taken[in.ID] = true
		if in.State != cloudprovider.Deleting {
			short--
		}
	}
	var list []cloudprovider.InstanceID
	for n := 1; len(list) < short; n++ {
		if placeholder := cloudprovider.Placeholder(id, n); !taken[placeholder] {
			list = append(list, placeholder)
		}
	}
	return list
}

// onlyZone is the pool's zone if it has just one.
func onlyZone(pool containerengine.NodePool) cloudprovider.Zone {
	if d := pool.NodeConfigDetails; d != nil && len(d.PlacementConfigs) == 1 {
		return zone(str(d.PlacementConfigs[0].AvailabilityDomain))
	}
	return ""
}
