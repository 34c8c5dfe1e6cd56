// Command tidemill scales, cycles and examines the node pools of Oracle
// Kubernetes Engine. It is one binary with a file for each command:
//
//	run      the daemon: mirror, scale, cycle and doctor, each in a loop of its own
//	status   how the pools are and why things wait; asks the API server alone
//	plan     what the daemon would do now, and why not; asks the cloud too
//	cycle    turn a pool or a node over, and wait for it
//	doctor   examine nodes, from the API or on the host itself
//	provider serve the stock cluster-autoscaler as its cloud provider
//
// Under the name kubectl-tidemill the same binary is a plugin of kubectl. What
// it says, and with which exit code, is governed by the rules in tui.go.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	// The image has no files but the binary, so that the authorities that TLS
	// trusts are in it. They are used only where the system has none of its own.
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/tidemill/tidemill/internal/plain"
)

func main() {
	// SIGTERM is how Kubernetes ends a pod. A second signal ends the process at
	// once: stop restores the default once the first has been seen.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}

// run is the command without the process around it: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := plain.NewWriter(stdout)
	root := newRoot(args[0], out, stderr)
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	return report(stderr, errors.Join(err, out.Flush()))
}
