package doctor

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// TextOptions tune the report for people.
type TextOptions struct {
	// Verbose lists every finding of every node, also what is fine.
	Verbose bool
}

// WriteText writes the report for people: what fails first, like findings of
// many nodes together, each with what helps, and one line of summary last.
func (r Report) WriteText(w io.Writer, o TextOptions) error {
	var b strings.Builder
	if r.Err != "" {
		fmt.Fprintf(&b, "could not look: %s\n", r.Err)
	}
	var blind, shown []group
	for _, g := range r.groups() {
		if g.state == Unknown && len(g.findings) == len(r.Nodes) && len(r.Nodes) > 1 && !o.Verbose {
			blind = append(blind, g)
			continue
		}
		shown = append(shown, g)
	}
	for _, g := range alike(shown) {
		g.write(&b, len(r.Nodes), o.Verbose)
	}
	writeBlind(&b, blind, len(r.Nodes))
	r.writeUnseen(&b)
	r.writeJoining(&b)
	r.writeUnvisited(&b)
	r.writeRepairs(&b)
	if o.Verbose {
		r.writeAll(&b)
	}
	fmt.Fprintln(&b, r.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// group is one finding on several nodes.
type group struct {
	state    State
	check    string
	findings []Finding
	others   []string // checks that are in the dark for the same reason
}

// alike puts checks together that could not look at the same nodes for the same
// reason: a door that is closed is one thing, whatever is behind it.
func alike(groups []group) []group {
	at := map[string]int{}
	var out []group
	for _, g := range groups {
		if g.state != Unknown {
			out = append(out, g)
			continue
		}
		key := g.findings[0].Reason
		for _, f := range g.findings {
			key += "\x00" + f.Node
		}
		if i, known := at[key]; known {
			out[i].others = append(out[i].others, g.check)
			continue
		}
		at[key] = len(out)
		out = append(out, g)
	}
	return out
}

// groups gathers like findings, most urgent first, then in order of the checks.
func (r Report) groups() []group {
	var out []group
	for _, state := range []State{Fail, Warn, Unknown, Info} {
		for _, c := range append(Checks(), HostChecks()...) {
			byReason := map[string]int{}
			for _, n := range r.Nodes {
				for _, f := range n.Findings {
					if f.Check != c.ID || f.State != state || f.State == Unknown && (f.Reason == ReasonJoining || r.told(f)) {
						continue
					}
					i, ok := byReason[f.Reason]
					if !ok {
						i = len(out)
						byReason[f.Reason] = i
						out = append(out, group{state: state, check: c.ID})
					}
					out[i].findings = append(out[i].findings, f)
				}
			}
		}
	}
	return out
}

// writeBlind says in one line what could be seen on no node: it is about the
// examination and not about the nodes.
func writeBlind(b *strings.Builder, groups []group, nodes int) {
	if len(groups) == 0 {
		return
	}
	var what []string
	for _, g := range groups {
		what = append(what, fmt.Sprintf("%s (%s)", g.check, g.findings[0].Reason))
	}
	fmt.Fprintf(b, "UNKNOWN on all %d nodes: %s; --verbose says why\n\n", nodes, strings.Join(what, ", "))
}

// writeUnseen says in one line each what was not read, and who needed it.
func (r Report) writeUnseen(b *strings.Builder) {
	refused := false
	list := slices.Clone(r.Unseen)
	slices.SortStableFunc(list, func(a, b UnseenReport) int { return cmp.Compare(a.skipped(), b.skipped()) })
	for _, u := range list {
		word, lost := "UNKNOWN", "not checked: "+strings.Join(u.Checks, ", ")
		if u.skipped() > 0 {
			word = "SKIPPED"
		}
		if u.Resource == fromPools {
			lost = "nothing is said about repair"
		}
		fmt.Fprintf(b, "%s %s: %s; %s\n", word, u.Resource, u.Message, lost)
		refused = refused || u.Reason == ReasonNotPermitted
	}
	if refused {
		fmt.Fprintf(b, "        → kubectl auth can-i list RESOURCE --all-namespaces; a right to list nodes is all that is needed, each other one lets more be seen\n")
	}
	if len(r.Unseen) > 0 {
		b.WriteByte('\n')
	}
}

// writeJoining names those who are in the grace of their first boot: what is not
// known of them yet is not listed.
func (r Report) writeJoining(b *strings.Builder) {
	var names []string
	for _, n := range r.Nodes {
		if n.Verdict.Reason == ReasonJoining {
			names = append(names, n.Node)
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(b, "JOINING %d %s, in the time that a first boot may take: %s\n\n", len(names), plural(len(names), "node"), some(names))
	}
}

// shownNodes is how many nodes of a group are listed; a fleet view of 2,000
// nodes must fit a screen.
const shownNodes = 5

func (g group) write(b *strings.Builder, nodes int, verbose bool) {
	first := g.findings[0]
	fmt.Fprintf(b, "%-7s %s: %s, on %d of %d %s%s\n", strings.ToUpper(g.state.String()), strings.Join(append([]string{g.check}, g.others...), ", "), first.Reason, len(g.findings), nodes, plural(nodes, "node"), g.news())
	for i, f := range g.findings {
		if i == shownNodes && !verbose {
			fmt.Fprintf(b, "        … and %d more (--verbose lists all)\n", len(g.findings)-shownNodes)
			break
		}
		fmt.Fprintf(b, "        %s: %s%s\n", f.Node, f.Message, f.aside())
	}
	if first.Remedy != "" {
		fmt.Fprintf(b, "        → %s\n", first.Remedy)
	}
	b.WriteByte('\n')
}

// aside is what was measured and against what, in brackets, when that is not in
// the message already.
func (f Finding) aside() string {
	var parts []string
	if f.Observed != "" && !strings.Contains(f.Message, f.Observed) {
		parts = append(parts, f.Observed)
	}
	if f.Limit != "" && f.State != Unknown && f.State != Skip {
		parts = append(parts, f.Limit)
	}
	if f.Unconfirmed {
		parts = append(parts, "not confirmed yet")
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, "; ") + "]"
}

// writeUnvisited names the nodes that a visit found nothing out about.
func (r Report) writeUnvisited(b *strings.Builder) {
	lines := 0
	for _, n := range r.Nodes {
		if n.Err != "" {
			fmt.Fprintf(b, "UNKNOWN %s could not be visited: %s\n", n.Node, n.Err)
			lines++
		}
	}
	if lines > 0 {
		b.WriteByte('\n')
	}
}

func (r Report) writeRepairs(b *strings.Builder) {
	lines := 0
	for _, k := range r.Brakes {
		if k.Closed {
			fmt.Fprintf(b, "BRAKED  pool %s: %s: %s\n", k.Pool, k.Reason, k.Message)
			lines++
		}
	}
	for _, n := range r.Nodes {
		if n.Repair == nil {
			continue
		}
		what := map[string]string{"request": "a repair will be asked for", "report": "a repair would be asked for (DryRun)",
			"withdraw": "the request for a repair will be taken back", "note": "its repair has ended", "forget": "its record of old repairs will be taken off"}[n.Repair.Act]
		if what == "" {
			what = "no repair is asked for"
		}
		fmt.Fprintf(b, "REPAIR  %s: %s: %s\n", n.Node, what, strings.TrimPrefix(string(n.Repair.Reason)+": "+n.Repair.Message, ": "))
		lines++
	}
	if lines > 0 {
		b.WriteByte('\n')
	}
}

func (r Report) writeAll(b *strings.Builder) {
	for _, n := range r.Nodes {
		head := n.Node
		if n.Pool != "" {
			head += " (" + n.Pool + ")"
		}
		fmt.Fprintf(b, "%s %s\n", head, n.Verdict.Reason)
		for _, f := range n.Findings {
			text := strings.TrimSpace(strings.TrimPrefix(f.Reason+": "+f.Message, ": ") + f.aside())
			fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("  %-8s %-20s %s", f.State, f.Check, text), " "))
		}
		b.WriteByte('\n')
	}
}

// Summary is the report in one line.
func (r Report) Summary() string {
	var fine, problem, open, hosts, bare int
	counts := map[State]int{}
	for _, n := range r.Nodes {
		switch {
		case n.Verdict.Status == corev1.ConditionFalse:
			fine++
		case n.Verdict.Status == corev1.ConditionTrue:
			problem++
		case n.Verdict.Status == corev1.ConditionUnknown:
			open++
		case n.Pool == "":
			hosts++
		default:
			bare++
		}
		for _, f := range n.Findings {
			counts[f.State]++
		}
	}
	if hosts == len(r.Nodes) && hosts > 0 {
		return fmt.Sprintf("%d checks: %d passed, %d failed, %d warned, %d could not look",
			counts[Pass]+counts[Info]+counts[Fail]+counts[Warn]+counts[Unknown], counts[Pass]+counts[Info], counts[Fail], counts[Warn], counts[Unknown])
	}
	text := fmt.Sprintf("%d %s: %d fine, %d with a problem, %d not fully examined", fine+problem+open, plural(fine+problem+open, "node"), fine, problem, open)
	if bare > 0 {
		text += fmt.Sprintf("; %d %s leaving or without a Node", bare, plural(bare, "machine"))
	}
	return text
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
