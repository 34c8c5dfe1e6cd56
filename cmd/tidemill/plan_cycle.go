package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/world"
)

const planCycleLong = `Plan cycle says what would come of turning a pool over, before anything is
touched: whether the request would be taken, which pods would not leave their
nodes and why, whether the cloud has room, and how long it would take.

It asks the API server about evictions by dry run, one pod of each workload, and
changes nothing. A budget that lets each pod go may still not let two go at once.

Exit codes: 0 it would end; 1 it would not, unless somebody acts; 2 the command
line makes no sense; 3 the cluster or the cloud could not be looked at.`

const planCycleExample = `  %[1]s plan cycle workers
  %[1]s plan cycle workers --to v1.35.0
  # the nodes whose pods never leave
  %[1]s plan cycle workers -o json | jq -r '.stuck[] | select(.permanent).node' | sort -u`

func newPlanCycle(g *globals) *cobra.Command {
	var f cycleFlags
	cmd := &cobra.Command{
		Use: "cycle POOL", Short: "what would come of turning a pool over", Long: planCycleLong,
		Example: fmt.Sprintf(planCycleExample, g.name), Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			p, err := g.prefly(cmd.Context(), strings.TrimPrefix(args[0], "pool/"), f.to)
			if err != nil {
				return err
			}
			if g.structured() {
				err = g.print(p)
			} else {
				writePreflight(g.stdout, p)
			}
			if err == nil && p.Verdict == cycle.Never {
				err = &failure{exitNo, fmt.Errorf("pool %s: a turn-over could not end", p.Pool), []string{"the checks that say no name what somebody has to change first"}}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&f.to, "to", "", "Kubernetes `version` to turn the pool over to, such as v1.35.0")
	return cmd
}

// prefly looks at everything once and asks what a look does not show.
func (g *globals) prefly(ctx context.Context, name, to string) (cycle.Preflight, error) {
	log, err := g.logger(g.stderr)
	if err != nil {
		return cycle.Preflight{}, err
	}
	provider, err := g.oci.provider(ctx, log)
	if err != nil {
		return cycle.Preflight{}, err
	}
	c, err := g.connect(ctx)
	if err != nil {
		return cycle.Preflight{}, err
	}
	g.oci.book.from(c.client)
	fleet := cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{DryRun: true, Refresh: time.Minute})
	o := &world.Observer{Clock: c.clock, Reader: c.client, Fleet: fleet, ControlPlane: func() string { return c.version }, Glance: true}
	s, err := o.Observe(ctx)
	if err != nil {
		return cycle.Preflight{}, err
	}
	if s.CloudErr != nil {
		f := classify(s.CloudErr)
		f.code = exitBlind
		return cycle.Preflight{}, f
	}
	p, err := poolNamed(s, name)
	if err != nil {
		return cycle.Preflight{}, err
	}
	set, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		return cycle.Preflight{}, blind(err)
	}
	return cycle.Prefly(s, p, to, asked(ctx, s, p, to, fleet, drain.New(set))), nil
}

func poolNamed(s *world.Snapshot, name string) (*world.Pool, error) {
	var names []string
	for _, p := range s.Pools {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return nil, usage(fmt.Errorf("there is no pool %q", name), "there are: "+strings.Join(names, ", "))
}

// asked asks the cloud about releases and room, and the API server about
// evictions.
func asked(ctx context.Context, s *world.Snapshot, p *world.Pool, to string, fleet *cloudprovider.Fleet, d *drain.Drainer) cycle.Asked {
	var a cycle.Asked
	if cycle.WantsOffer(cycle.WithRequest(p, to)) {
		a.Offer.Releases, a.Offer.Err = fleet.Releases(ctx, p.Cloud.ID)
	}
	a.Capacity, a.CapacityErr = fleet.Capacity(ctx, p.Cloud.ID)
	limits, err := fleet.Limits(ctx, p.Cloud.ID)
	a.LimitsErr = err
	for _, l := range limits {
		a.Limits = append(a.Limits, cycle.Limit(l))
	}
	subnets, err := fleet.Subnets(ctx, p.Cloud.ID)
	a.SubnetsErr = err
	for _, s := range subnets {
		a.Subnets = append(a.Subnets, cycle.Subnet{Name: s.Name, Zones: s.Zones, Pods: s.Pods, Free: s.Free, PerNode: s.PerNode})
	}
	a.Evictions = map[string]drain.Answer{}
	for _, pod := range cycle.Samples(s, p) {
		a.Evictions[cycle.Workload(pod)] = d.Try(ctx, pod, cycle.Around(s))
	}
	return a
}

// stuckShown is how many pods are listed for people; -o json has all.
const stuckShown = 20

func writePreflight(w io.Writer, p cycle.Preflight) {
	fmt.Fprintf(w, "%s of pool %s to %s: %d nodes\n\n", p.Request, p.Pool, p.Release, len(p.Nodes))
	var lines []string
	signs := map[cycle.Verdict]string{cycle.Fine: "ok  ", cycle.Mind: "mind", cycle.Never: "NO  "}
	for _, c := range p.Checks {
		lines = append(lines, fmt.Sprintf("%s %s: %s", signs[c.Verdict], c.Name, c.Message))
	}
	section(w, "Checks:", lines, "none")
	lines = nil
	for i, s := range p.Stuck {
		if i == stuckShown {
			lines = append(lines, fmt.Sprintf("and %d more; -o json lists all", len(p.Stuck)-i))
			break
		}
		sign := signs[cycle.Mind]
		if s.Permanent {
			sign = signs[cycle.Never]
		}
		lines = append(lines, fmt.Sprintf("%s %s on node %s", sign, s.Block, s.Node))
	}
	section(w, "\nPods that would not leave now:", lines, "none")
	section(w, "\nHow long:", []string{fmt.Sprintf("about %s: %s", time.Duration(p.Estimate.Seconds)*time.Second, p.Estimate.Basis)}, "")
}
