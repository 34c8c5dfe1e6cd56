package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/scale"
)

const planLong = `Plan looks at the cluster and at OKE as the daemon does, and prints what would
be done now and, as important, what would not and why. It changes nothing. With
-o json it prints the plans as the daemon makes them.`

func newPlan(g *globals) *cobra.Command {
	var f scaleFlags
	cmd := &cobra.Command{
		Use: "plan", Short: "what would be done now, and why not", Long: planLong, Args: cobra.NoArgs,
		Example: fmt.Sprintf("  %[1]s plan --compartment-id ocid1.compartment... --cluster-id ocid1.cluster...", g.name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := g.plan(cmd.Context(), f)
			if err != nil {
				return err
			}
			if g.output == "json" {
				return g.json(p)
			}
			return p.write(g.stdout)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// plans are those of every loop on one look.
type plans struct {
	Discovery mirror.Plan   `json:"discovery"`
	Scale     scale.Plan    `json:"scale"`
	Cycle     cycle.Plan    `json:"cycle"`
	Doctor    doctor.Report `json:"doctor"`
}

func (g *globals) plan(ctx context.Context, f scaleFlags) (plans, error) {
	if err := f.check(); err != nil {
		return plans{}, err
	}
	log, err := g.logger(g.stderr)
	if err != nil {
		return plans{}, err
	}
	provider, err := g.oci.provider(ctx, log)
	if err != nil {
		return plans{}, err
	}
	c, err := g.connect(ctx)
	if err != nil {
		return plans{}, err
	}
	// The look is shared: what scale, cycle and doctor say is of one moment.
	fleet := cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{DryRun: true, Refresh: time.Minute})
	o := &world.Observer{Reader: c.client, Fleet: fleet, ControlPlane: func() string { return c.version }}
	s, err := o.Observe(ctx)
	if err != nil {
		return plans{}, err
	}
	if s.CloudErr != nil {
		f := classify(s.CloudErr)
		f.code = exitBlind
		return plans{}, f
	}
	var p plans
	p.Discovery = mirror.Decide(s)
	if p.Scale, err = scale.Decide(s, f.policy()); err != nil {
		return plans{}, err
	}
	p.Cycle = cycle.Decide(s, cycle.Policy{Offers: offers(ctx, s, fleet)})
	p.Doctor, err = doctor.Examine(ctx, doctor.ExamineOptions{Observer: o})
	return p, err
}

// offers looks up what the pools that ask for another release can boot.
func offers(ctx context.Context, s *world.Snapshot, fleet *cloudprovider.Fleet) map[cloudprovider.PoolID]cycle.Offer {
	out := map[cloudprovider.PoolID]cycle.Offer{}
	for _, p := range s.Pools {
		if cycle.WantsOffer(p) {
			releases, err := fleet.Releases(ctx, p.Cloud.ID)
			out[p.Cloud.ID] = cycle.Offer{Releases: releases, Err: err}
		}
	}
	return out
}

// write prints what would be done, then what would not.
func (p plans) write(w io.Writer) error {
	var do []string
	var not []because
	for _, c := range p.Discovery.Create {
		do = append(do, fmt.Sprintf("create Pool %s for node pool %s, everything off", c.Name, c.NodePoolID))
	}
	add := func(d []string, n []because) { do, not = append(do, d...), append(not, n...) }
	add(splitScale(p.Scale))
	add(splitCycle(p.Cycle))
	add(splitDoctor(p.Doctor))
	section(w, "Would be done now:", do, "nothing")
	section(w, "\nWould not, and why:", gather(not), "nothing waits")
	return nil
}

// splitScale parts the actions from the reasons. A pool that can grow and a pod
// that is helped are no reasons.
func splitScale(p scale.Plan) (do []string, not []because) {
	for _, v := range p.Verdicts {
		if v.Help == scale.HelpNone {
			not = append(not, sentence("pod", v.Pod, v.String()))
		}
	}
	for _, v := range p.Pools {
		if v.Reason != "" {
			not = append(not, sentence("pool", v.Pool, v.String()))
		}
	}
	for _, v := range p.Nodes {
		not = append(not, sentence("node", v.Node, v.String()))
	}
	if p.Actions() > 0 {
		p.Verdicts, p.Pools, p.Nodes = nil, nil, nil
		do = strings.Split(strings.TrimSuffix(p.String(), "\n"), "\n")
	}
	return do, not
}

func splitCycle(p cycle.Plan) (do []string, not []because) {
	for _, s := range p.Steps {
		do = append(do, s.String())
	}
	for _, r := range p.Pools {
		if r.Wait != nil {
			not = append(not, because{"pool", r.Pool, 1, fmt.Sprintf(" waits: %s: %s", r.Wait.Reason, r.Wait.Message)})
		}
		for _, b := range r.Blocked {
			not = append(not, because{"node", b.Node, 1, fmt.Sprintf(" of pool %s waits: %s: %s", r.Pool, b.Reason, b.Message)})
		}
	}
	return do, not
}

func splitDoctor(r doctor.Report) (do []string, not []because) {
	for _, n := range r.Nodes {
		if n.Repair == nil {
			continue
		}
		switch n.Repair.Act {
		case doctor.ActRequest.String():
			do = append(do, fmt.Sprintf("ask for the replacement of node %s: %s: %s", n.Node, n.Repair.Check, n.Repair.Message))
		case doctor.ActWithdraw.String():
			do = append(do, fmt.Sprintf("take back the request to replace node %s: %s", n.Node, n.Repair.Reason))
		default:
			not = append(not, because{"node", n.Node, 1, fmt.Sprintf(" of pool %s is broken and is not replaced: %s: %s", n.Pool, n.Repair.Reason, n.Repair.Message)})
		}
	}
	return do, not
}
