package oke

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

// inventory is what Compute knows of a compartment's instances and Container
// Engine does not tell: image, birth, and whether the machine is still there.
//
//	pool looks ─► all known and young? ──yes──► answer from memory
//	                    │ no
//	                    ├─ few are new ─► GetInstance each
//	                    └─ many are, or a minute has passed ─► ListInstances, all pages, for every pool at once
//
// OKE goes on calling a node ACTIVE whose instance a person has stopped or
// terminated. Asking for each of 2,000 would be 2,000 requests; one list a minute
// is a handful, and one list serves all pools.
type inventory struct {
	mu       sync.Mutex // guards the fields below
	tried    time.Time  // when the last list began, successful or not
	reading  bool       // it has not ended yet
	ill      bool       // something was not answered since: nothing more is asked until the next list
	machines map[string]machine
	absent   map[string]absence
	marks    map[string]mark // see renew
}

// absence is how often Compute did not know an instance that OKE lists, asked
// by name, and when last.
type absence struct {
	times int
	at    time.Time
}

// machine is one instance in Compute's words.
type machine struct {
	image   string
	created time.Time
	state   core.InstanceLifecycleStateEnum
	// since is when state was first seen, read when it was last.
	since, read time.Time
	made        made
	rebootDue   time.Time // zero: no reboot is announced
}

const (
	// inventoryAge is how old the list may be.
	inventoryAge = time.Minute
	// manyUnknown is from how many new instances on a list is cheaper than asking
	// for each.
	manyUnknown = 8
	// inventoryPages bounds a list: 50,000 instances.
	inventoryPages = 50
	// settled is how long a machine must have stood still to count as stopped: a
	// reboot goes through the same state.
	settled = 30 * time.Second
	// absences is how often an instance must not be found, once in the life of a
	// list, before it counts as gone: what is young may not be everywhere yet.
	absences = 2
)

// inventory finds or makes the memory of a compartment.
func (p *Provider) inventory(compartment string) *inventory {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inventories == nil {
		p.inventories = map[string]*inventory{}
	}
	inv := p.inventories[compartment]
	if inv == nil {
		inv = &inventory{machines: map[string]machine{}, absent: map[string]absence{}}
		p.inventories[compartment] = inv
	}
	return inv
}

// known is what is remembered of these instances, which of them are new or were
// last missed before the last list, and whether a list is worth waiting for: the
// last one is that old, or it is still being read.
func (v *inventory) known(ids []string, age time.Duration) (found map[string]machine, unknown []string, due bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	found = make(map[string]machine, len(ids))
	for _, id := range ids {
		if m, ok := v.machines[id]; ok {
			found[id] = m
		} else if !v.ill && !v.absent[id].at.After(v.tried) {
			unknown = append(unknown, id)
		}
	}
	return found, unknown, v.reading || time.Since(v.tried) >= age
}

// gone is whether Compute has no such instance any more. The others that it
// shows prove that the right to see them is there.
func (v *inventory) gone(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.absent[id].times >= absences && len(v.machines) > 0
}

// ended is whether Compute has said that the instance does not exist any more.
func (v *inventory) ended(id string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	m, known := v.machines[id]
	return known && m.state == core.InstanceLifecycleStateTerminated || v.absent[id].times >= absences && len(v.machines) > 0
}

// machinesOf are Compute's facts about these instances, as far as they can be
// had: what is not known now is no reason to list no instances.
func (p *Provider) machinesOf(ctx context.Context, compartment string, ids []string) map[string]machine {
	v := p.inventory(compartment)
	found, unknown, due := v.known(ids, p.computeAge)
	if len(ids) == 0 || (len(unknown) == 0 && !due) {
		return found
	}
	if due || len(unknown) >= manyUnknown {
		_, err := together(ctx, &p.flights, "instances "+compartment, func() (bool, error) {
			if _, unknown, due := v.known(ids, p.computeAge); len(unknown) < manyUnknown && !due {
				return false, nil // answered between the look and the question
			}
			return true, p.takeInventory(ctx, compartment, v)
		})
		if err != nil {
			p.log.WarnContext(ctx, "list instances", "compartment", compartment, "err", err)
		}
		_, unknown, _ = v.known(ids, p.computeAge)
	}
	p.lookUp(ctx, v, unknown)
	found, _, _ = v.known(ids, p.computeAge)
	return found
}

// lookUp asks for single instances: those younger than the list, and those that
// live in another compartment.
func (p *Provider) lookUp(ctx context.Context, v *inventory, ids []string) {
	if len(ids) > manyUnknown {
		ids = ids[:manyUnknown] // the rest with the next look
	}
	type answer struct {
		instance *core.Instance
		missing  bool
	}
	answers := make([]answer, len(ids))
	parallel(len(ids), func(i int) { answers[i].instance, answers[i].missing = p.getInstance(ctx, ids[i]) })
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, a := range answers {
		switch {
		case a.instance != nil:
			p.ours(a.instance, now)
			v.put(ids[i], *a.instance, now)
		case a.missing:
			v.absent[ids[i]] = absence{v.absent[ids[i]].times + 1, now}
		default:
			v.ill = true
		}
	}
}

// put takes an answer in. The caller holds mu.
func (v *inventory) put(id string, in core.Instance, now time.Time) {
	m := machineOf(in, now)
	before, ok := v.machines[id]
	if ok && before.state == m.state {
		m.since = before.since
	}
	if ok && !before.created.IsZero() {
		m.created = before.created // what was told of it stays so, whatever becomes of Compute's clock
	}
	v.machines[id] = m
	delete(v.absent, id)
}

func machineOf(in core.Instance, now time.Time) machine {
	m := machine{image: str(in.ImageId), state: in.LifecycleState, since: now, read: now, made: madeOf(in)}
	if source, ok := in.SourceDetails.(core.InstanceSourceViaImageDetails); ok {
		m.image = str(source.ImageId)
	}
	if in.TimeCreated != nil {
		m.created = in.TimeCreated.Time
	}
	if in.TimeMaintenanceRebootDue != nil {
		m.rebootDue = in.TimeMaintenanceRebootDue.Time
	}
	return m
}

// takeInventory reads the compartment's list to its end and forgets what is not
// in it any more. A list that breaks off changes nothing.
func (p *Provider) takeInventory(ctx context.Context, compartment string, v *inventory) error {
	now := time.Now()
	v.mu.Lock()
	v.tried, v.reading = now, true // a list that fails is not asked for with each look
	v.mu.Unlock()
	all, err := p.listInstances(ctx, compartment)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ill, v.reading = err != nil, false
	if err != nil {
		return err
	}
	before := v.machines
	v.machines = make(map[string]machine, len(all))
	for id, m := range before {
		if m.read.After(now) { // asked for by name meanwhile: the list is older than that
			v.machines[id] = m
		}
	}
	for _, in := range all {
		if _, newer := v.machines[str(in.Id)]; newer {
			continue
		}
		if m, ok := before[str(in.Id)]; ok {
			v.machines[str(in.Id)] = m
		}
		p.ours(&in, time.Now())
		v.put(str(in.Id), in, now)
	}
	maps.DeleteFunc(v.absent, func(_ string, a absence) bool { return now.Sub(a.at) > 10*p.computeAge })
	return nil
}

// getInstance is nil if Compute does not answer; missing if it does, and knows
// of no such instance.
func (p *Provider) getInstance(ctx context.Context, id string) (in *core.Instance, missing bool) {
	r, err := call(ctx, p, p.readPolicy, "GetInstance", func(ctx context.Context) (core.GetInstanceResponse, error) {
		return p.compute.GetInstance(ctx, core.GetInstanceRequest{InstanceId: common.String(id)})
	})
	if err != nil {
		p.log.WarnContext(ctx, "get instance", "instance", id, "err", err)
		return nil, status(err) == http.StatusNotFound
	}
	return &r.Instance, false
}

// listInstances reads a compartment's instances to the end.
func (p *Provider) listInstances(ctx context.Context, compartment string) ([]core.Instance, error) {
	return allPages(inventoryPages, "instances", func(page *string) ([]core.Instance, *string, error) {
		r, err := call(ctx, p, p.readPolicy, "ListInstances", func(ctx context.Context) (core.ListInstancesResponse, error) {
			return p.compute.ListInstances(ctx, core.ListInstancesRequest{CompartmentId: &compartment, Limit: common.Int(1000), Page: page})
		})
		return r.Items, r.OpcNextPage, err
	})
}

// allPages reads a list to its end: until no page follows. One that does not end, with
// the same page again or with more pages than that (ErrOutOfBounds), is an error.
func allPages[T any](most int, what string, read func(page *string) (items []T, next *string, err error)) ([]T, error) {
	var all []T
	var page *string
	for range most {
		items, next, err := read(page)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if str(next) == "" {
			return all, nil
		}
		if str(next) == str(page) { // what follows is not known, and a list that is not whole is none
			return nil, fmt.Errorf("page token %q of %s twice in a row", *page, what)
		}
		page = next
	}
	return nil, fmt.Errorf("%w: more than %d pages of %s", cloudprovider.ErrOutOfBounds, most, what)
}
