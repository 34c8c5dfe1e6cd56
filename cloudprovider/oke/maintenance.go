package oke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

var _ cloudprovider.Inspector = (*Provider)(nil)

// plans are the maintenance events of a compartment as they were last read: one
// list serves all pools.
type plans struct {
	mu   sync.Mutex // held while the list is read: who comes meanwhile waits for it
	at   time.Time
	list []core.InstanceMaintenanceEventSummary
	err  error
}

const (
	// plansAge is how long a list stands. Oracle announces two weeks ahead, and
	// what is an emergency shows in the instance's state.
	plansAge = 5 * time.Minute
	// refusedAge is how long a list that was not given is not asked for again.
	refusedAge = time.Minute
	// planPages bounds a list.
	planPages = 20
)

// roster is the machines of a pool and where they are, which is all that there is to
// know of a pool to find what is planned for it.
type roster struct {
	compartment string
	ids         []string
}

func rosterOf(pool containerengine.NodePool) roster {
	r := roster{compartment: str(pool.CompartmentId)}
	for _, n := range pool.Nodes {
		if id := str(n.Id); id != "" {
			r.ids = append(r.ids, id)
		}
	}
	return r
}

// recentRoster is that of the last look, if it is not older than a list of plans may
// be, or of a new one. Whoever observes the pools, as Fleet does, looks at each of
// them every few seconds: a look of its own for what is announced two weeks ahead was
// a sixth of all requests.
func (p *Provider) recentRoster(ctx context.Context, id cloudprovider.PoolID) (roster, error) {
	m := p.memory(id)
	m.mu.Lock()
	known := m.roster
	m.mu.Unlock()
	if known.younger(p.plansAge) {
		return known.value, nil
	}
	l, err := p.recentLook(ctx, id)
	if err != nil {
		return roster{}, err
	}
	return rosterOf(l.pool), nil
}

// Maintenance implements [cloudprovider.Inspector]. It costs a list of the
// compartment's events for all pools together, every five minutes; and a look at a
// pool that nobody has looked at for as long.
//
// There are two sources. Events say what, why and until when; not every host's
// maintenance has one. The instance's own date of a reboot, which comes with the
// list of instances and costs nothing, is the older of the two and says no more
// than when.
func (p *Provider) Maintenance(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Maintenance, error) {
	if isVirtual(id) {
		return nil, nil
	}
	here, err := p.recentRoster(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read maintenance of node pool %s: %w", id, err)
	}
	own := make(map[string]bool, len(here.ids))
	for _, node := range here.ids {
		own[node] = true
	}
	events, err := p.plansOf(ctx, here.compartment)
	if err != nil {
		return nil, fmt.Errorf("read maintenance of node pool %s: %w", id, err)
	}
	var list []cloudprovider.Maintenance
	dated := map[string]bool{}
	for _, e := range events {
		if m, open := maintenanceOf(e); open && own[string(m.Instance)] {
			list = append(list, m)
			dated[string(m.Instance)] = true
		}
	}
	for in, m := range p.machinesOf(ctx, here.compartment, here.ids) {
		if !m.rebootDue.IsZero() && !dated[in] {
			list = append(list, cloudprovider.Maintenance{Instance: cloudprovider.InstanceID(in), Effect: cloudprovider.EffectReboot, Start: m.rebootDue})
		}
	}
	slices.SortFunc(list, func(a, b cloudprovider.Maintenance) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.ID, b.ID))
	})
	return list, ctx.Err()
}

// plansOf is a compartment's list, from memory while it is young.
func (p *Provider) plansOf(ctx context.Context, compartment string) ([]core.InstanceMaintenanceEventSummary, error) {
	p.mu.Lock()
	if p.plans == nil {
		p.plans = map[string]*plans{}
	}
	if p.plans[compartment] == nil {
		p.plans[compartment] = &plans{}
	}
	known := p.plans[compartment]
	p.mu.Unlock()
	known.mu.Lock()
	defer known.mu.Unlock()
	age := p.plansAge
	if known.err != nil {
		age = refusedAge
	}
	if !known.at.IsZero() && time.Since(known.at) < age {
		return known.list, known.err
	}
	list, err := p.listPlans(ctx, compartment)
	if ctx.Err() != nil {
		return nil, ctx.Err() // the caller's hurry is nobody else's
	}
	// The pool was just read in this compartment, so that it is there.
	if errors.Is(err, cloudprovider.ErrNotFound) {
		err = fmt.Errorf("%w: %w", cloudprovider.ErrUnauthorized, hidden{err})
	}
	known.at, known.list, known.err = time.Now(), list, err
	return list, err
}

// hidden keeps an error's words and not what it is.
type hidden struct{ error }

func (p *Provider) listPlans(ctx context.Context, compartment string) ([]core.InstanceMaintenanceEventSummary, error) {
	return allPages(planPages, "maintenance events", func(page *string) ([]core.InstanceMaintenanceEventSummary, *string, error) {
		r, err := call(ctx, p, p.readPolicy, "ListInstanceMaintenanceEvents", func(ctx context.Context) (core.ListInstanceMaintenanceEventsResponse, error) {
			return p.compute.ListInstanceMaintenanceEvents(ctx, core.ListInstanceMaintenanceEventsRequest{CompartmentId: &compartment, Limit: common.Int(1000), Page: page})
		})
		return r.Items, r.OpcNextPage, err
	})
}

// maintenanceOf translates an event; open is false for one that is over. A state
// or an action that this version does not know is told, and not passed over.
func maintenanceOf(e core.InstanceMaintenanceEventSummary) (m cloudprovider.Maintenance, open bool) {
	m = cloudprovider.Maintenance{Instance: cloudprovider.InstanceID(str(e.InstanceId)), ID: str(e.Id), Effect: effectOf(e.InstanceAction),
		Reason: string(e.MaintenanceReason), Action: string(e.InstanceAction), Description: shorten(str(e.Description))}
	if e.TimeWindowStart != nil {
		m.Start = e.TimeWindowStart.Time
	}
	if e.TimeHardDueDate != nil {
		m.Deadline = e.TimeHardDueDate.Time
	}
	switch e.LifecycleState {
	case core.InstanceMaintenanceEventLifecycleStateSucceeded, core.InstanceMaintenanceEventLifecycleStateFailed, core.InstanceMaintenanceEventLifecycleStateCanceled:
		return m, false
	case core.InstanceMaintenanceEventLifecycleStateStarted, core.InstanceMaintenanceEventLifecycleStateProcessing:
		m.Started = true
	}
	return m, true
}

func effectOf(a core.InstanceMaintenanceEventInstanceActionEnum) cloudprovider.MaintenanceEffect {
	switch a {
	case core.InstanceMaintenanceEventInstanceActionNone:
		return cloudprovider.EffectNone
	case core.InstanceMaintenanceEventInstanceActionRebootMigration:
		return cloudprovider.EffectReboot
	case core.InstanceMaintenanceEventInstanceActionStop:
		return cloudprovider.EffectStop
	case core.InstanceMaintenanceEventInstanceActionTerminate:
		return cloudprovider.EffectTerminate
	}
	return cloudprovider.EffectUnknown
}
