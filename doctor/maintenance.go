package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// Plans are what the cloud has announced for machines, and for which pools it
// did not tell. The zero value is that nobody asked.
type Plans struct {
	Asked bool
	Of    map[cloudprovider.InstanceID][]cloudprovider.Maintenance
	Err   map[cloudprovider.PoolID]error
}

// plansPatience bounds the reading for all pools together: what is announced two
// weeks ahead is not worth a look that is late.
const plansPatience = 5 * time.Second

// ReadPlans asks the cloud, pool by pool; a driver keeps one list for all. Pools
// that could not be read at all are not asked about again.
func ReadPlans(ctx context.Context, fleet *cloudprovider.Fleet, s *world.Snapshot) Plans {
	p := Plans{Asked: true, Of: map[cloudprovider.InstanceID][]cloudprovider.Maintenance{}, Err: map[cloudprovider.PoolID]error{}}
	if fleet == nil || s.CloudErr != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, plansPatience)
	defer cancel()
	for _, pool := range s.Pools {
		if pool.Cloud.ID == "" || pool.Cloud.Virtual || pool.Cloud.Health.Err != nil {
			continue
		}
		list, err := fleet.Maintenance(ctx, pool.Cloud.ID)
		if err != nil {
			p.Err[pool.Cloud.ID] = err
			continue
		}
		for _, m := range list {
			p.Of[m.Instance] = append(p.Of[m.Instance], m)
		}
	}
	return p
}

// soon is how long before a maintenance it is worth a warning: a weekend, and the
// time to cycle a pool in its windows. Oracle tells of most two weeks ahead.
const soon = 7 * 24 * time.Hour

var maintenance = Check{
	ID:       "maintenance",
	Title:    "the cloud plans nothing for the machine that it will feel",
	Evidence: EvidenceLevel,
	Reads:    []Source{fromCloud},
	Limits:   Limits{Source: "Compute's maintenance events and the instance's own date of a reboot; a week before, it is time"},
	Remedy:   "replace it at a time of your own, it then stands on another host: kubectl annotate node NAME tidemill.dev/cycle=maintenance",
	// A machine that will be restarted is not broken: when to replace it is the
	// user's to say.
	Action: ActionNone,
	Applies: func(p Patient) (bool, string) {
		return p.Node.Instance != nil && !p.Node.Instance.ID.Placeholder(), "there is no machine"
	},
	Run: func(_ context.Context, p Patient) Finding {
		if f, blind := cloudBlind(p); blind {
			return f
		}
		plans := p.Look.Plans
		if !plans.Asked {
			return skip(ReasonNotAsked, "nobody asked the cloud for its plans")
		}
		if err := plans.Err[p.Node.Instance.Pool]; err != nil {
			return plansUnknown(err)
		}
		list := plans.Of[p.Node.Instance.ID]
		if len(list) == 0 {
			return pass("")
		}
		worst := judgePlan(list[0], p.Now)
		for _, m := range list[1:] {
			if f := judgePlan(m, p.Now); f.State.urgency() > worst.State.urgency() {
				worst = f
			}
		}
		return worst
	},
}

func plansUnknown(err error) Finding {
	switch {
	case errors.Is(err, cloudprovider.ErrNotSupported):
		return skip(ReasonNotApplicable, "the cloud tells nothing of its plans")
	case errors.Is(err, cloudprovider.ErrUnauthorized):
		return unknown(ReasonNotPermitted, err.Error())
	}
	return unknown(ReasonCloudUnreachable, err.Error())
}

// judgePlan is one maintenance on its own.
func judgePlan(m cloudprovider.Maintenance, now time.Time) Finding {
	f := Finding{State: Info, Reason: "MaintenancePlanned", Observed: observedPlan(m)}
	verb := map[cloudprovider.MaintenanceEffect]string{
		cloudprovider.EffectNone: "is moved while it runs", cloudprovider.EffectReboot: "is restarted on another host",
		cloudprovider.EffectStop: "is stopped", cloudprovider.EffectTerminate: "is terminated, with what is on its disks",
	}[m.Effect]
	if verb == "" {
		verb = "meets something that tidemill does not know"
	}
	from := "from " + clock(m.Start) + " on"
	if m.Start.IsZero() {
		from = "at a time that is not told"
	}
	f.Message = fmt.Sprintf("the machine %s %s", verb, from)
	if !m.Deadline.IsZero() {
		f.Message += ", at the latest at " + clock(m.Deadline)
	}
	if m.Description != "" {
		f.Message += ": " + m.Description
	}
	switch {
	case m.Effect == cloudprovider.EffectNone:
		f.Reason = "MaintenanceUnfelt"
	case m.Started:
		f.State, f.Reason = Warn, "MaintenanceUnderWay"
	case now.After(m.Start.Add(-soon)):
		f.State, f.Reason = Warn, "MaintenanceDue"
	}
	return f
}

// observedPlan is the cloud's own words.
func observedPlan(m cloudprovider.Maintenance) string {
	var words []string
	for _, w := range []string{m.Action, m.Reason} {
		if w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, ", ")
}
