// Command playground is a whole OKE cluster on one machine, to look at and to
// break. It needs no container engine, no kubectl and no account anywhere.
//
//	demo      tell the story of tidemill's three verbs on a cluster of its own
//	up        leave a cluster running until ctrl-C
//	fault     make a node of that cluster sick, or the cloud's API, or heal it
//	capacity  say how many hosts the cloud has left for a shape
//	cloud     give that cluster's cloud any other order: limits, lost hosts, permissions
//	okesim    only the emulated OCI API, for any client that speaks to OCI
//
// Where a command prints what a program may want to read, that is on stdout;
// talk is on stderr. The logs of Kubernetes' own components go to a file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, realStderr()))
}

// run is the command without the process around it: it returns the exit code,
// 0 done, 1 failed, 2 a command line that makes no sense.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	sentence, hint, _ := strings.Cut(err.Error(), "\nhint: ")
	fmt.Fprintf(stderr, "playground: error: %s\n", strings.ReplaceAll(sentence, "\n", "; "))
	if hint != "" {
		fmt.Fprintf(stderr, "playground: hint: %s\n", hint)
	}
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// A usageError is a command line that makes no sense.
type usageError struct{ error }

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "playground",
		Short:         "a whole OKE cluster on one machine",
		Long:          "Playground runs a real Kubernetes control plane with kubelet-less nodes and an\nemulated OCI behind it, all in this process and all on loopback.",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(newDemo(), newUp(), newFault(), newCapacity(), newCloud(), newOkesim())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nhint: %s --help lists the flags", err, cmd.CommandPath())}
	})
	for _, cmd := range append(root.Commands(), root) {
		check := cmd.Args
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w\nhint: %s --help shows how it is used", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	return root
}
