package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// This file is what a shell is told at the press of Tab: names of pools and nodes
// as the cluster has them, values that a flag takes, and files only where a file
// is meant. A cluster that does not answer at once completes nothing.

// tabPatience is how long somebody waits after Tab.
const tabPatience = 2 * time.Second

// choices are the values of flags that take a few words.
var choices = map[string][]string{
	"output":          {"text", "wide", "json", "yaml", "jsonl", "sarif", "junit", "markdown", "prometheus"},
	"log-format":      {"text", "json"},
	"log-level":       {"debug", "info", "warn", "error"},
	"oci-auth":        {"auto", "api_key", "security_token", "instance_principal", "oke_workload_identity", "resource_principal"},
	"fail-on":         {"fail", "warn", "unknown", "info"},
	"kubelet":         {"auto", "proxy", "direct", "off"},
	"doctor-kubelets": {"off", "direct", "proxy"},
	"privilege":       {"read", "log", "runtime", "full"},
	"expander":        {"least-cost", "priority", "price", "least-waste", "most-pods", "least-nodes", "random", "capacity", "balance"},
}

// choicesOf are those of the values that this command's flag knows: its help names
// each.
func choicesOf(f *pflag.Flag) []string {
	var out []string
	words := strings.FieldsFunc(f.Usage, func(r rune) bool { return strings.ContainsRune(" ,:;()", r) })
	for _, c := range choices[f.Name] {
		if slices.Contains(words, c) {
			out = append(out, c)
		}
	}
	return out
}

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeNames says which commands are followed by names of the cluster's.
func completeNames(g *globals, root *cobra.Command) {
	for path, how := range map[string]completion{
		"status":     g.names(math.MaxInt, poolNames),
		"plan cycle": g.names(1, poolNames),
		"cycle":      g.names(1, poolNames, nodeNames("node/")),
		"doctor":     g.names(math.MaxInt, nodeNames("")),
	} {
		if c, _, err := root.Find(strings.Fields(path)); err == nil {
			c.ValidArgsFunction = how
		}
	}
}

// completeFlags says for every flag below c what may follow it, and for commands
// that name nothing in the cluster that they take no files.
func completeFlags(g *globals, c *cobra.Command) {
	register := func(f *pflag.Flag) {
		if how := g.flagValues(f); how != nil {
			// The one error is that it was told before.
			_ = c.RegisterFlagCompletionFunc(f.Name, how)
		}
	}
	c.LocalFlags().VisitAll(register)
	if c.ValidArgsFunction == nil && c.Name() != "man" { // its argument is a directory
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, child := range c.Commands() {
		completeFlags(g, child)
	}
}

// flagValues is nil where the shell's own way, files, is right.
func (g *globals) flagValues(f *pflag.Flag) completion {
	if values := choicesOf(f); len(values) > 0 {
		return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	}
	kind, _ := pflag.UnquoteUsage(f)
	switch {
	case f.Name == "context":
		return g.contexts
	case kind == "directory":
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case strings.Contains(kind, "file") || kind == "path":
		return nil
	}
	return cobra.NoFileCompletions
}

// contexts are those of the kubeconfig.
func (g *globals) contexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = g.kubeconfig
	config, err := rules.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for name := range config.Contexts {
		out = append(out, name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// names of objects, without those that were named already; most is how many the
// command takes.
func (g *globals) names(most int, lists ...func(context.Context, *cluster) ([]string, error)) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		if len(args) >= most {
			return nil, nothing
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), tabPatience)
		defer cancel()
		c, err := g.connect(ctx)
		if err != nil {
			return nil, nothing
		}
		var out []string
		for _, list := range lists {
			found, err := list(ctx, c)
			if err != nil {
				return nil, nothing
			}
			for _, f := range found {
				if name, _, _ := strings.Cut(f, "\t"); !slices.Contains(args, name) {
					out = append(out, f)
				}
			}
		}
		return out, nothing
	}
}

// poolNames say beside each pool what it does now.
func poolNames(ctx context.Context, c *cluster) ([]string, error) {
	var list v1alpha1.PoolList
	if err := c.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	var out []string
	for i := range list.Items {
		p := &list.Items[i]
		r := rowOf(p)
		out = append(out, cobra.CompletionWithDesc(p.Name, fmt.Sprintf("%d of %d ready, %s, %s", r.Ready, r.Size, orDash(r.Release), orDash(r.Activity))))
	}
	return out, nil
}

func nodeNames(prefix string) func(context.Context, *cluster) ([]string, error) {
	return func(ctx context.Context, c *cluster) ([]string, error) {
		var list corev1.NodeList
		if err := c.client.List(ctx, &list); err != nil {
			return nil, fmt.Errorf("list nodes: %w", err)
		}
		var out []string
		for _, n := range list.Items {
			out = append(out, prefix+n.Name)
		}
		return out, nil
	}
}
