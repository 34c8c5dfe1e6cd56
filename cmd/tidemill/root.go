package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `Tidemill keeps the node pools of Oracle Kubernetes Engine (OKE) as large as the
pods need (scale), as new as you ask for (cycle) and free of broken nodes
(doctor). "run" is the daemon; the other commands look at what it does, ask it
for something, or tell what it would do.

Exit codes:
  0  done; the answer is yes
  1  the answer is no: refused, not well, failed
  2  the command line makes no sense
  3  the cluster or the cloud could not be looked at
The doctor's are those of a linter: 0 well, 1 not well, 2 could not look.`

const rootExample = `  # how are the pools, and why does something wait?
  %[1]s status
  # what would be done now, and why not
  %[1]s plan
  # turn a pool over to a new Kubernetes version and watch it
  %[1]s cycle workers --to v1.35.0 --wait
  # examine every node
  %[1]s doctor`

// globals are the flags that every command has.
type globals struct {
	kubeconfig, context string
	oci                 ociFlags
	output              string // "text", "wide", "json" or "yaml"
	logFormat, logLevel string

	name           string // how the user calls the command
	stdout, stderr io.Writer
}

// newRoot builds the command tree. arg0 is how the process was called: under
// the name of a kubectl plugin the help says "kubectl tidemill".
func newRoot(arg0 string, stdout, stderr io.Writer) *cobra.Command {
	g := &globals{name: displayName(arg0), stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use: "tidemill", Short: "scale, cycle and examine the node pools of OKE", Long: rootLong,
		Example:           fmt.Sprintf(rootExample, g.name),
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: g.name},
		Args:              knownCommand,
		SilenceErrors:     true, // report does it
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return g.check() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err, fmt.Sprintf("%s --help lists the flags", cmd.CommandPath()))
	})
	g.register(root)
	for _, c := range []*cobra.Command{
		newRun(g), newStatus(g), newPlan(g), newCycle(g), newDoctor(g), newProvider(g), newCleanup(g), newMan(g), newVersion(g),
	} {
		root.AddCommand(c)
	}
	wrapArgs(root)
	completeNames(g, root)
	completeFlags(g, root)
	return root
}

func (g *globals) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.kubeconfig, "kubeconfig", "", "kubeconfig `file` (default: KUBECONFIG, the pod's service account, ~/.kube/config)")
	f.StringVar(&g.context, "context", "", "context of the kubeconfig (default: its current one)")
	f.StringVarP(&g.output, "output", "o", "text", "text, wide, json or yaml")
	f.StringVar(&g.logFormat, "log-format", env("text", "TIDEMILL_LOG_FORMAT"), "text or json, on stderr")
	f.StringVar(&g.logLevel, "log-level", env("info", "TIDEMILL_LOG_LEVEL"), "debug, info, warn or error")
	g.oci.register(f)
}

// check refuses what no command can work with.
func (g *globals) check() error {
	if !slices.Contains([]string{"text", "wide", "json", "yaml"}, g.output) {
		return usage(fmt.Errorf("output %q is none of text, wide, json, yaml", g.output))
	}
	_, err := g.logger(g.stderr)
	return err
}

// knownCommand is reached by what is no command, and says what it may have meant.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := cmd.CommandPath() + " --help lists the commands"
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		hint = "did you mean " + strings.Join(like, " or ") + "?"
	}
	return usage(fmt.Errorf("there is no command %q", args[0]), hint)
}

// wrapArgs makes a wrong number of arguments, or an unknown command, a usage
// error like any other.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			var said *failure
			if err := check(c, args); errors.As(err, &said) {
				return err
			} else if err != nil {
				return usage(err, c.CommandPath()+" --help shows how it is used")
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		wrapArgs(c)
	}
}

// displayName is how the user calls the command: kubectl finds a plugin by its
// file name, kubectl-tidemill.
func displayName(arg0 string) string {
	base := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	if strings.HasPrefix(base, "kubectl-") {
		return "kubectl tidemill"
	}
	return "tidemill"
}

// env is the first of these environment variables that is set, or fallback.
func env(fallback string, names ...string) string {
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			return v
		}
	}
	return fallback
}
