package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const cliIntro = `# The command line

<!-- Generated from the code: make generate. -->

Data goes to standard output, talk to standard error. ` + "`tidemill man DIRECTORY`" + ` writes the same as manual pages,
` + "`tidemill completion bash|zsh|fish|powershell`" + ` what a shell needs to complete commands and flags. Installed as ` + "`kubectl-tidemill`" + ` it is ` + "`kubectl tidemill`" + `.

## Exit codes

| code | meaning |
|---|---|
| 0 | done; the answer is yes |
| 1 | the answer is no: refused, not well, failed |
| 2 | the command line makes no sense |
| 3 | the cluster or the cloud could not be looked at |

The doctor's are those of a linter: 0 well, 1 not well, 2 could not look.

## Colours and screens

Only a terminal gets colours and lines that change; ` + "`NO_COLOR`" + ` or ` + "`TERM=dumb`" + ` keep it plain too. What comes from a cluster or a cloud is shown printable.
`

// TestCLIIsDocumented: docs/reference/cli.md has every command and every flag.
func TestCLIIsDocumented(t *testing.T) {
	quietEnvironment(t)
	root := newRoot("tidemill", io.Discard, io.Discard)
	root.InitDefaultCompletionCmd()
	var b strings.Builder
	b.WriteString(cliIntro)
	fmt.Fprintf(&b, "\n## Flags of every command\n\n%s", flagTable(root.PersistentFlags()))
	_ = eachCommand(root, func(c *cobra.Command) error {
		if c.HasParent() && c.Parent().Name() == "completion" {
			return nil // cobra's own words, four times
		}
		name := strings.Join(words(c), " ")
		long := c.Long
		if long == "" {
			long = c.Short
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```\n%s\n```\n", name, strings.TrimSuffix(c.Short, "."), strings.TrimPrefix(c.UseLine(), "kubectl "))
		if c.Name() != "completion" {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", long)
		}
		if c.Example != "" {
			fmt.Fprintf(&b, "\nExamples:\n\n```\n%s\n```\n", undent(c.Example))
		}
		if c.HasParent() {
			if table := flagTable(c.LocalNonPersistentFlags()); table != "" {
				fmt.Fprintf(&b, "\n%s", table)
			}
			if table := flagTable(c.PersistentFlags()); table != "" {
				fmt.Fprintf(&b, "\nThese and those of the commands below it:\n\n%s", table)
			}
		}
		return nil
	})
	document(t, "../../docs/reference/cli.md", b.String())
}

// quietEnvironment keeps the variables of whoever runs the test out of defaults.
func quietEnvironment(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "TIDEMILL_") || strings.HasPrefix(name, "OCI_") || strings.HasPrefix(name, "OKE_") || name == "POD_NAMESPACE" {
			t.Setenv(name, "")
		}
	}
}

func flagTable(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, text := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		value := strings.TrimSuffix(strings.TrimPrefix(defaultOf(f), " (default "), ")")
		if value != "" {
			value = "`" + value + "`"
		}
		cell := strings.NewReplacer("|", `\|`, "<", "&lt;")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, cell.Replace(kind), cell.Replace(value), cell.Replace(text))
	})
	if b.Len() == 0 {
		return ""
	}
	return "| flag | value | default | meaning |\n|---|---|---|---|\n" + b.String()
}

func undent(s string) string {
	return regexp.MustCompile(`(?m)^  `).ReplaceAllString(s, "")
}

// TestEveryCommandHasHelp: a sentence, and an example where there is more than one
// way to call it.
func TestEveryCommandHasHelp(t *testing.T) {
	root := newRoot("tidemill", io.Discard, io.Discard)
	_ = eachCommand(root, func(c *cobra.Command) error {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
		if c.LocalNonPersistentFlags().HasAvailableFlags() && c.Example == "" {
			t.Errorf("%s has flags and no example", c.CommandPath())
		}
		return nil
	})
}

// TestEveryCommandHasAnExample that begins with how the command was called.
func TestEveryCommandHasAnExample(t *testing.T) {
	_ = eachCommand(newRoot("kubectl-tidemill", io.Discard, io.Discard), func(c *cobra.Command) error {
		if !strings.Contains(c.Example, "kubectl tidemill ") {
			t.Errorf("%s shows no call: %q", c.CommandPath(), c.Example)
		}
		return nil
	})
}
