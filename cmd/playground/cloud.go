package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/playground"
)

// cloudPath is where the admin socket serves the emulated cloud's own orders.
const cloudPath = "/cloud"

func newCloud() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "cloud METHOD PATH [JSON]", Short: "give the emulated cloud an order behind everybody's back", Args: cobra.RangeArgs(2, 3),
		Long: `Cloud does to the emulated OCI of a running cluster what no API could: faults,
limits, launches that fail, lost hosts, preemption, permissions. The orders are
those of okesim --control; docs/okesim.md lists them. The answer is on stdout.`,
		Example: `  playground cloud POST /launches '{"times":2,"fault":"SubnetFull"}'
  playground cloud PUT /quotas '{"shape":"VM.Standard.E4.Flex","instances":4}'
  playground cloud POST /refusals '{"op":"DeleteNode","status":404}'
  playground cloud GET /calls`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.HasPrefix(args[1], "/") {
				return usageError{fmt.Errorf("path %q does not begin with /", args[1])}
			}
			text, err := tellCloud(cmd.Context(), dir, strings.ToUpper(args[0]), args[1], strings.Join(args[2:], ""))
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` of the cluster (default: the only one that runs)")
	return cmd
}

// cloudOrders serves them for a running cluster.
func cloudOrders(c *playground.Cluster) http.Handler {
	return http.StripPrefix(cloudPath, c.Sim().Control())
}

// tellCloud gives one order to the cloud of the cluster in dir and returns the answer.
func tellCloud(ctx context.Context, dir, method, path, body string) (string, error) {
	answer, err := ask(ctx, dir, method, cloudPath+path, []byte(body))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("read the cloud's answer: %w", err)
	}
	if answer.StatusCode < 300 {
		return string(text), nil
	}
	var refusal struct{ Message string }
	if json.Unmarshal(text, &refusal) == nil && refusal.Message != "" {
		return "", errors.New(refusal.Message)
	}
	return "", fmt.Errorf("order %s %s: %s\nhint: docs/okesim.md lists the orders", method, path, answer.Status)
}
