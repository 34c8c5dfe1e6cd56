package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/deep"
	"github.com/tidemill/tidemill/internal/plain"
)

const doctorLong = `Doctor examines nodes and says what is wrong with which, and what helps. It
changes nothing.

Of named nodes it asks the kubelets too, through the API server. With --console
it reads what the machine has written to its serial console, which works on one
that answers nobody. With --deep it looks into them, by a pod on each that reads
the host, prints what it found and is deleted.

It needs nothing of tidemill's in the cluster, and no right but to list nodes;
what else it may not read is said, and the rest goes on.

It asks the API server; with --compartment-id and --cluster-id it asks OKE too,
and then also knows of machines that never became a Node. "doctor host" examines
the machine that it runs on, through its file system.

Exit codes: 0 nothing as urgent as --fail-on was found, 1 something was, 2 it
could not look.`

// doctorFlags tune the report.
type doctorFlags struct {
	failOn  string
	verbose bool
	ignore  []string
	state   string
	deepFlags
	ask askFlags
}

func newDoctor(g *globals) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use: "doctor [NODE...]", Short: "examine nodes", Long: doctorLong,
		Example: fmt.Sprintf("  # every node of the cluster\n  %[1]s doctor\n  # one node, all that was measured\n  %[1]s doctor 10.0.1.7 --verbose\n  # and from within\n  %[1]s doctor 10.0.1.7 --deep --privilege log\n  # one that answers nobody\n  %[1]s doctor 10.0.1.7 --console\n  # for a pipeline: a warning is a no\n  %[1]s doctor -o json --fail-on warn\n  # for code scanning, without what is known\n  %[1]s doctor -o sarif --ignore age,release", g.name),
		// The root's own check knows two formats.
		PersistentPreRunE: func(*cobra.Command, []string) error { return g.checkDoctor(&f) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.deepFlags.check(args); err != nil {
				return err
			}
			if err := f.ask.check(args); err != nil {
				return err
			}
			return cannotLook(g.examine(cmd.Context(), &f, args))
		},
	}
	cmd.PersistentFlags().StringVarP(&g.output, "output", "o", "text", strings.Join(doctor.Formats(), ", "))
	cmd.PersistentFlags().StringSliceVar(&f.ignore, "ignore", nil, "`checks` whose findings do not count; \"doctor checks\" lists them")
	cmd.PersistentFlags().StringVar(&f.failOn, "fail-on", "fail", "the least finding for exit code 1: fail, warn, unknown or info")
	cmd.PersistentFlags().BoolVarP(&f.verbose, "verbose", "v", false, "list every check, also what is fine")
	cmd.Flags().StringVar(&f.state, "state", "", "`file` that keeps what was found, so that the next look says what is new")
	f.deepFlags.register(cmd.Flags())
	f.ask.register(cmd.Flags())
	cmd.AddCommand(newDoctorHost(g, &f), newDoctorChecks(g))
	return cmd
}

// checkDoctor refuses flags that mean nothing, before anything is asked.
func (g *globals) checkDoctor(f *doctorFlags) error {
	if !slices.Contains(doctor.Formats(), g.output) {
		return usage(fmt.Errorf("output %q is none of %s", g.output, strings.Join(doctor.Formats(), ", ")))
	}
	if _, unknown := (doctor.Report{}).Ignore(f.ignore...); len(unknown) > 0 {
		return usage(fmt.Errorf("there is no check %s", strings.Join(unknown, ", ")), g.name+" doctor checks lists them")
	}
	if _, err := f.level(); err != nil {
		return err
	}
	_, err := g.logger(g.stderr)
	return err
}

func newDoctorChecks(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "checks", Aliases: []string{"list"}, Short: "list the checks: limits, evidence, remedy", Args: cobra.NoArgs,
		Long:    "Checks lists what is looked at, against which limits and whose, and what helps.\nIt asks nobody.",
		Example: fmt.Sprintf("  %[1]s doctor checks\n  %[1]s doctor checks -o wide\n  %[1]s doctor checks -o json", g.name),
		RunE: func(*cobra.Command, []string) error {
			if err := doctor.WriteCatalogue(g.stdout, g.output); err != nil {
				return usage(err)
			}
			return nil
		},
	}
}

func (f *doctorFlags) level() (doctor.State, error) {
	s, err := doctor.ParseState(f.failOn)
	if err != nil || s == doctor.Pass || s == doctor.Skip {
		return s, usage(fmt.Errorf("--fail-on %q is neither fail nor warn, unknown or info", f.failOn))
	}
	return s, nil
}

func (g *globals) examine(ctx context.Context, f *doctorFlags, names []string) error {
	level, err := f.level()
	if err != nil {
		return err
	}
	provider, err := g.maybeProvider(ctx)
	if err != nil {
		return err
	}
	c, err := g.reach(ctx)
	if err != nil {
		return err
	}
	defer fitGlance()()
	look := doctor.ExamineOptions{Survey: &doctor.Survey{
		Reader: c.client, ControlPlane: c.version,
		Fleet: cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{DryRun: true}),
	}}
	if err := f.ask.options(c.config, names, &look); err != nil {
		return err
	}
	r, err := doctor.Examine(ctx, look)
	if err != nil {
		return blind(err, classify(err).hints...)
	}
	some := len(names) > 0
	var missing error
	if some {
		if r, names, missing = only(r, names); len(names) == 0 {
			return missing
		}
	}
	var visits []deep.Visit
	if f.deep {
		if r, visits, err = g.visit(ctx, f.deepFlags, c.config, r, names); err != nil {
			return err
		}
	}
	r = g.since(r, f.state, some)
	if f.bundle != "" {
		if err := g.pack(ctx, f, c, r, visits); err != nil {
			return err
		}
	}
	err = g.tell(r, f, level)
	if g.output == "text" || g.output == "wide" {
		f.ask.showConsoles(g.stdout, names)
	}
	return cmp.Or(missing, err)
}

// only is the report on those of the named nodes that are there, and who is not: a
// node that has just gone keeps nobody from hearing of the others.
func only(r doctor.Report, names []string) (doctor.Report, []string, error) {
	r, unknown := r.Only(names...)
	if len(unknown) == 0 {
		return r, names, nil
	}
	there := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(unknown, name) })
	return r, there, blind(fmt.Errorf("there is no node %s", strings.Join(unknown, ", ")), "kubectl get nodes lists them")
}

// since marks what is new and keeps this look. A look at some nodes is not kept:
// the next one at all of them would take the rest for new.
func (g *globals) since(r doctor.Report, path string, some bool) doctor.Report {
	if path == "" {
		return r
	}
	before, err := doctor.LoadRecall(path)
	if err == nil && !some {
		err = r.Recall(before).Save(path)
	}
	if err != nil {
		fmt.Fprintf(g.stderr, "warning: %s\n", plain.Line(err.Error())) // the report is whole without it
	}
	return r.Since(before)
}

// tell prints a report and turns it into an exit code.
func (g *globals) tell(r doctor.Report, f *doctorFlags, level doctor.State) error {
	r, _ = r.Ignore(f.ignore...) // unknown names were refused before
	format := g.output
	if f.verbose && format == "text" {
		format = "wide"
	}
	if err := r.Write(g.stdout, format); err != nil {
		return err
	}
	return verdict(r, level)
}

// verdict is a report's exit code.
func verdict(r doctor.Report, level doctor.State) error {
	switch r.ExitCode(level) {
	case doctor.ExitOK:
		return nil
	case doctor.ExitCannotLook:
		return blind(errors.New("none of the checks could look"), "the report says why for each")
	}
	return no()
}

// cannotLook gives a doctor that could not look the exit code of its own kind:
// pipelines tell it from findings, and know three codes of every linter.
func cannotLook(err error) error {
	var f *failure
	if errors.As(err, &f) && f.code == exitBlind {
		return &failure{doctor.ExitCannotLook, err, f.hints}
	}
	return err
}

// maybeProvider opens the cloud if the flags, or the machine, say which.
func (g *globals) maybeProvider(ctx context.Context) (cloudprovider.Provider, error) {
	log, err := g.logger(g.stderr)
	if err != nil {
		return nil, err
	}
	g.oci.discover(ctx, log)
	if g.oci.compartment == "" && g.oci.cluster == "" {
		return absent{}, nil
	}
	return g.oci.provider(ctx, log)
}

// absent is a cloud that nobody has told us how to ask. It answers nothing, so
// that what only the cloud could know is reported as not known.
type absent struct{ cloudprovider.Provider }

var errAbsent = fmt.Errorf("%w, as --compartment-id and --cluster-id are not given", doctor.ErrNotAsked)

// Pools implements cloudprovider.Provider.
func (absent) Pools(context.Context) ([]cloudprovider.NodePool, error) { return nil, errAbsent }
