package doctor

import (
	"fmt"
	"io"
	"strings"
)

// writeMarkdown writes what asks for attention as a table, for an issue or a
// chat: a group of like findings a row.
func (r Report) writeMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Node examination, %s\n\n%s\n", clock(r.Time), markdownText(r.Summary()))
	if r.Err != "" {
		fmt.Fprintf(&b, "\nCould not look: %s\n", markdownText(r.Err))
	}
	if groups := r.groups(); len(groups) > 0 {
		b.WriteString("\n| | check | reason | nodes | what | what helps |\n|---|---|---|---|---|---|\n")
		for _, g := range groups {
			first := g.findings[0]
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s | %s |\n", g.state, g.check, markdownText(first.Reason), markdownText(g.who()), markdownText(first.Message+first.aside()), markdownText(first.Remedy))
		}
	}
	for _, u := range r.Unseen {
		fmt.Fprintf(&b, "\n**Not read: %s** (%s): %s\n", u.Resource, u.Reason, markdownText(u.Message))
	}
	for _, k := range r.Brakes {
		if k.Closed {
			fmt.Fprintf(&b, "\n**Repair of pool %s is braked**: %s: %s\n", markdownText(k.Pool), k.Reason, markdownText(k.Message))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// who names the first nodes of a group, and how many more there are.
func (g group) who() string {
	var names []string
	for _, f := range g.findings {
		names = append(names, f.Node)
	}
	return some(names)
}

// markdownText keeps a text from being taken for markup: pages that show
// Markdown also show the HTML in it.
func markdownText(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "&", "&amp;", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "\n", " ").Replace(text)
}
