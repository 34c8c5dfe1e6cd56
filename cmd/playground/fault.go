package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/playground"
)

func newFault() *cobra.Command {
	var dir string
	var heal bool
	var api apiFault
	var kinds []string
	for _, f := range playground.Faults() {
		kinds = append(kinds, f.String())
	}
	cmd := &cobra.Command{
		Use: "fault NODE KIND | fault --api OPERATION", Short: "make a node of a running cluster sick, or its cloud, or heal it",
		Args: func(cmd *cobra.Command, args []string) error {
			if api.Op != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(2)(cmd, args)
		},
		Long: "Fault makes a node sick in a way that a doctor should find. KIND is one of\n\n  " +
			strings.Join(kinds, "\n  ") + "\n\nA node may have several; --heal ends one.\n\n" +
			"With --api it is the cloud that fails: the next requests of one operation\n(UpdateNodePool, GetNodePool, ...) are refused, delayed, lost, or answered badly.",
		Example: "  playground fault 10.0.10.3 DiskPressure\n  playground fault 10.0.10.3 DiskPressure --heal\n" +
			"  playground fault --api UpdateNodePool --status 429 --retry-after 5s --times 3\n  playground fault --api DeleteNode --drop\n  playground fault --api '*' --times -1 --delay 2s\n  playground fault --api '*' --heal",
		ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			if api.Op != "" {
				return api.order(cmd.Context(), dir, heal, cmd.ErrOrStderr())
			}
			if _, err := playground.ParseFault(args[1]); err != nil {
				return usageError{err}
			}
			if err := give(cmd.Context(), dir, order{Fault: &faultOrder{args[0], args[1], heal}}); err != nil {
				return err
			}
			done := "has"
			if heal {
				done = "is rid of"
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "node %s %s %s\n", args[0], done, args[1])
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` of the cluster (default: the only one that runs)")
	api.flags(cmd.Flags())
	cmd.Flags().BoolVar(&heal, "heal", false, "end the fault")
	return cmd
}
