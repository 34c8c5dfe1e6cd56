package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/internal/world/whatif"
	"github.com/tidemill/tidemill/scale"
	"github.com/tidemill/tidemill/scale/buffer"
)

const planLong = `Plan looks at the cluster and at OKE as the daemon does, and prints what would
be done now and, as important, what would not and why. It changes nothing. With
-o json it prints the plans as the daemon makes them.

With --what-if it adds what a file of YAML says before it decides: pods,
Deployments and other workloads, DaemonSets, budgets, Pools, and Nodes that say
what a node pool that does not exist would bring.

With --record it writes what it saw into a file; --snapshot decides on such a
file instead, far from the cluster. Secrets, environments, commands and images
are not in it; names of namespaces, pods, nodes and labels are.`

const planExample = `  %[1]s plan --compartment-id ocid1.compartment... --cluster-id ocid1.cluster...
  # would 200 more replicas fit, and where?
  %[1]s plan --what-if web.yaml
  # take the question home
  %[1]s plan --record cluster.tidemill
  %[1]s plan --snapshot cluster.tidemill --what-if web.yaml`

// planFlags are plan's own.
type planFlags struct {
	scale                    scaleFlags
	record, snapshot, whatIf string
	stdin                    io.Reader
}

func newPlan(g *globals) *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use: "plan", Short: "what would be done now, and why not", Long: planLong, Args: cobra.NoArgs,
		Example: fmt.Sprintf(planExample, g.name),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.stdin = cmd.InOrStdin()
			p, err := g.plan(cmd.Context(), f)
			if err != nil {
				return err
			}
			if g.structured() {
				return g.print(p)
			}
			return p.write(g.stdout)
		},
	}
	s := cmd.Flags()
	f.scale.register(s)
	s.StringVar(&f.record, "record", "", "write what was seen into this `file`, to decide on it again with --snapshot")
	s.StringVar(&f.snapshot, "snapshot", "", "decide on this `file` that --record wrote, and ask neither the cluster nor OKE")
	s.StringVar(&f.whatIf, "what-if", "", "add the pods, workloads and Pools of this YAML `file` first; - reads standard input")
	cmd.AddCommand(newPlanCycle(g))
	return cmd
}

// plans are those of every loop on one look.
type plans struct {
	Discovery mirror.Plan   `json:"discovery"`
	Scale     scale.Plan    `json:"scale"`
	Cycle     cycle.Plan    `json:"cycle"`
	Doctor    doctor.Report `json:"doctor"`

	// owners are the workloads of pods, "Deployment shop/web" by "shop/web-1".
	owners map[string]string
	// added is what --what-if added, nil without it.
	added *whatif.Change
}

// plan looks, or reads a look, and decides. What is recorded is what was seen,
// without what --what-if adds.
func (g *globals) plan(ctx context.Context, f planFlags) (plans, error) {
	if err := f.scale.check(); err != nil {
		return plans{}, err
	}
	l, err := g.lookFor(ctx, f)
	if err != nil {
		return plans{}, err
	}
	var p plans
	if f.whatIf != "" {
		if p.added, err = l.add(f.whatIf, f.stdin); err != nil {
			return plans{}, err
		}
	}
	s := l.snapshot
	p.owners = owners(s)
	p.Discovery = mirror.Decide(s)
	wished, policy := g.complete(ctx, l, f.scale)
	if p.Scale, err = scale.Decide(wished, policy); err != nil {
		return plans{}, err
	}
	p.Cycle = cycle.Decide(s, cycle.Policy{Offers: l.offers})
	err = json.Unmarshal(l.doctor, &p.Doctor)
	return p, err
}

// complete is what scaling decides on. Whoever plans may not be allowed to read all
// that the daemon reads: what is missing is said, and the plan made without it.
func (g *globals) complete(ctx context.Context, l *planLook, f scaleFlags) (*world.Snapshot, scale.Policy) {
	if l.live == nil {
		return l.snapshot, f.policy()
	}
	wishes := &buffer.Source{Live: l.live}
	if f.proactive {
		wishes.Cached = l.live
	}
	s, policy, err := scale.Complete(ctx, l.live, wishes, f.namespace, l.snapshot, f.policy())
	if err != nil {
		fmt.Fprintf(g.stderr, "warning: the plan is made without what could not be read: %s\n", plain.Line(err.Error()))
	}
	return s, policy
}

// write prints what would be done, then what would not.
func (p plans) write(w io.Writer) error {
	var do []string
	var not []because
	for _, c := range p.Discovery.Create {
		do = append(do, fmt.Sprintf("create Pool %s for node pool %s, everything off", c.Name, c.NodePoolID))
	}
	add := func(d []string, n []because) { do, not = append(do, d...), append(not, n...) }
	if p.added != nil {
		section(w, fmt.Sprintf("What if there were %s:", wordsOf(p.added)), p.answers(), "no pod is added")
		fmt.Fprintln(w)
	}
	add(splitScale(p.Scale, p.owners))
	add(splitCycle(p.Cycle))
	add(splitDoctor(p.Doctor))
	section(w, "Would be done now:", do, "nothing")
	section(w, "\nWould not, and why:", slices.Clip(gather(not)), "nothing waits")
	return nil
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
		switch r := n.Repair; r.Act {
		case doctor.ActRequest.String():
			do = append(do, fmt.Sprintf("ask for a repair of node %s for %s: %s", n.Node, r.Check, r.Message))
		case doctor.ActWithdraw.String():
			do = append(do, fmt.Sprintf("take back the request to repair node %s: %s", n.Node, r.Reason))
		case doctor.ActNote.String():
			do = append(do, fmt.Sprintf("note on node %s that its repair has ended", n.Node))
		case doctor.ActForget.String():
			do = append(do, fmt.Sprintf("take old repairs off the record of node %s", n.Node))
		case doctor.ActReport.String():
			not = append(not, because{"node", n.Node, 1, fmt.Sprintf(" of pool %s is not repaired for %s: DryRun: %s", n.Pool, r.Check, r.Message)})
		default:
			not = append(not, because{"node", n.Node, 1, fmt.Sprintf(" of pool %s is not repaired for %s: %s: %s", n.Pool, r.Check, r.Reason, r.Message)})
		}
	}
	return do, not
}
