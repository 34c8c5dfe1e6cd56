package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/playground"
)

func newCapacity() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "capacity SHAPE AD HOSTS", Short: "say how many more hosts the cloud has for a shape", Args: cobra.ExactArgs(3),
		Long: `Capacity sets how many more instances of a shape an availability domain can
take before launches fail with "Out of host capacity.". HOSTS is a number, or
"unlimited". AD may be short: AD-1; with a fault domain behind a slash only that
one is meant: AD-1/FAULT-DOMAIN-2.`,
		Example: "  playground capacity VM.Standard.E4.Flex AD-1 0\n  playground capacity VM.Standard.E4.Flex US-ASHBURN-AD-1 unlimited\n  playground capacity VM.Standard.E4.Flex AD-2/FAULT-DOMAIN-1 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			hosts, err := parseHosts(args[2])
			if err != nil {
				return usageError{err}
			}
			place, fd, _ := strings.Cut(args[1], "/")
			ad, err := playground.AvailabilityDomain(place)
			if err != nil {
				return usageError{err}
			}
			body, err := json.Marshal(map[string]any{"shape": args[0], "ad": ad, "fd": fd, "hosts": hosts})
			if err != nil {
				return err
			}
			if _, err := tellCloud(cmd.Context(), dir, http.MethodPut, "/capacity", string(body)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "hosts left for %s in %s: %s\n", args[0], ad, args[2])
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` of the cluster (default: the only one that runs)")
	return cmd
}

func parseHosts(text string) (int, error) {
	if text == "unlimited" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("hosts %q is neither a number nor \"unlimited\"", text)
	}
	return n, nil
}
