package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Entry is a check as the catalogue of checks shows it.
type Entry struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	// Looks is "api" for what is asked of the cluster and the cloud, "host" for
	// what is read on the node.
	Looks string `json:"looks"`
	Unit  string `json:"unit,omitempty"`
	// Limits are in words, with their unit; "" for yes or no.
	Limits   string `json:"limits,omitempty"`
	Source   string `json:"source,omitempty"`
	Evidence string `json:"evidence"`
	// Confirm is how long a failure must stand before it counts; "" for at once.
	Confirm string `json:"confirm,omitempty"`
	Gate    bool   `json:"gate,omitempty"`
	Action  string `json:"action"`
	Remedy  string `json:"remedy"`
}

// Catalogue lists all checks, those over the API first, in the order in which
// they are reported.
func Catalogue() []Entry {
	var out []Entry
	for _, c := range Checks() {
		out = append(out, c.entry("api"))
	}
	for _, c := range HostChecks() {
		out = append(out, c.entry("host"))
	}
	return out
}

func (c Check) entry(looks string) Entry {
	e := Entry{ID: c.ID, Title: c.Title, Looks: looks, Unit: c.Unit, Limits: c.Limits.describe(c.Unit), Source: c.Limits.Source,
		Evidence: c.Evidence.String(), Gate: c.Gate, Action: c.Action.String(), Remedy: c.Remedy}
	if c.Confirm > 0 {
		e.Confirm = c.Confirm.String()
	}
	return e
}

// WriteCatalogue writes the catalogue as text, json, yaml or markdown.
func WriteCatalogue(w io.Writer, format string) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(Catalogue())
	case "yaml":
		return asYAML(w, func(w io.Writer) error { return WriteCatalogue(w, "json") })
	case "markdown":
		return writeCatalogueMarkdown(w)
	case "text", "wide":
		return writeCatalogueText(w, format == "wide")
	}
	return fmt.Errorf("write checks: there is no format %q; it is one of text, wide, json, yaml, markdown", format)
}

func writeCatalogueText(w io.Writer, wide bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "LOOKS\tCHECK\tLIMITS\tEVIDENCE\tACTION\tTITLE"
	if wide {
		head += "\tSOURCE\tREMEDY"
	}
	fmt.Fprintln(t, head)
	for _, e := range Catalogue() {
		row := []string{e.Looks, e.ID, e.Limits, e.Evidence, e.Action, e.Title}
		if wide {
			row = append(row, e.Source, e.Remedy)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// writeCatalogueMarkdown is the reference in the user guide.
func writeCatalogueMarkdown(w io.Writer) error {
	var b strings.Builder
	looks := ""
	for _, e := range Catalogue() {
		if e.Looks != looks {
			looks = e.Looks
			title := map[string]string{"api": "Asked of the cluster and the cloud", "host": "Read on the node"}[looks]
			fmt.Fprintf(&b, "\n### %s\n\n| check | what is looked at | limits | what helps |\n|---|---|---|---|\n", title)
		}
		limits := e.Limits
		if e.Confirm != "" {
			limits = strings.TrimPrefix(limits+", after "+e.Confirm, ", ")
		}
		if e.Source != "" {
			limits = strings.TrimPrefix(limits+". "+e.Source, ". ")
		}
		notes := e.Title
		if e.Gate {
			notes += " (gate)"
		}
		if e.Action != ActionNone.String() {
			notes += " (repair may " + e.Action + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.ID, notes, tableText(limits), tableText(e.Remedy))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tableText keeps our own texts, which are no markup, whole in a table's cell.
func tableText(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*").Replace(text)
}
