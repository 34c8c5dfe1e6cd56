package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "man DIRECTORY", Short: "write a manual page for each command", Args: cobra.ExactArgs(1),
		Long:    "Man writes a manual page for each command into a directory, section 1, as `man`\nreads them. Packages do this once, when they are built.",
		Example: fmt.Sprintf("  %[1]s man /usr/local/share/man/man1\n  # read one without installing it\n  %[1]s man /tmp/man && man /tmp/man/tidemill-status.1", g.name),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write manual: %w", err)
			}
			return eachCommand(cmd.Root(), func(c *cobra.Command) error {
				path := filepath.Join(args[0], strings.Join(words(c), "-")+".1")
				if err := os.WriteFile(path, []byte(manual(c)), 0o644); err != nil {
					return fmt.Errorf("write manual: %w", err)
				}
				return nil
			})
		},
	}
}

// eachCommand visits what a user may call, parents first.
func eachCommand(c *cobra.Command, visit func(*cobra.Command) error) error {
	if c.Hidden || c.Name() == "help" {
		return nil
	}
	if err := visit(c); err != nil {
		return err
	}
	for _, child := range c.Commands() {
		if err := eachCommand(child, visit); err != nil {
			return err
		}
	}
	return nil
}

// words are the command's names from the root on, the root's always "tidemill":
// a page is named after the program, not after how it was called.
func words(c *cobra.Command) []string {
	if !c.HasParent() {
		return []string{"tidemill"}
	}
	return append(words(c.Parent()), c.Name())
}

// manual is the page of a command in the language of man(7). No date: the same
// program writes the same page.
func manual(c *cobra.Command) string {
	var b strings.Builder
	name := strings.Join(words(c), " ")
	fmt.Fprintf(&b, ".TH %q 1 \"\" \"tidemill %s\" \"tidemill manual\"\n", strings.ToUpper(strings.Join(words(c), "-")), thisBuild().Version)
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n\\fB%s\\fR%s\n", roff(strings.Join(words(c), "-")), roff(c.Short), roff(name), roff(strings.TrimPrefix(c.Use, c.Name())+" [flags]"))
	long := c.Long
	if long == "" {
		long = c.Short
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", paragraphs(long))
	manFlags(&b, "OPTIONS", c.NonInheritedFlags())
	manFlags(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	b.WriteString(".SH SEE ALSO\n")
	var also []string
	if c.HasParent() {
		also = append(also, strings.Join(words(c.Parent()), "-")+"(1)")
	}
	for _, child := range c.Commands() {
		if !child.Hidden && child.Name() != "help" {
			also = append(also, strings.Join(words(child), "-")+"(1)")
		}
	}
	b.WriteString(roff(strings.Join(also, ", ")) + "\n")
	return b.String()
}

// paragraphs lets the reader's terminal break the lines of a text, but for what
// is laid out by hand: lists and tables, whose lines begin with a blank.
func paragraphs(text string) string {
	var b strings.Builder
	for i, p := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.Contains("\n"+p, "\n ") || strings.Contains(p, "\t") {
			fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(p))
		} else {
			fmt.Fprintf(&b, "%s\n", roff(p))
		}
	}
	return b.String()
}

func manFlags(b *strings.Builder, head string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", head)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		kind, text := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR %s\n%s%s\n", roff(short+"--"+f.Name), roff(kind), roff(text), roff(defaultOf(f)))
	})
}

// defaultOf is what holds when the flag is not given, in words.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "[]":
		return ""
	}
	value := f.DefValue
	if d, err := time.ParseDuration(value); err == nil && f.Value.Type() == "duration" {
		value = shortDuration(d)
	}
	return " (default " + value + ")"
}

// shortDuration is "10m" where Go says "10m0s".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// roff writes text that is text: no line of it is an order, no sign an escape.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
