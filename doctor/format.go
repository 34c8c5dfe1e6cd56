package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/plain"
)

// Formats are the shapes in which a report can be written, for people and for
// what reads reports in pipelines.
func Formats() []string {
	return []string{"text", "wide", "json", "yaml", "jsonl", "sarif", "junit", "markdown", "prometheus"}
}

// Write writes the report in one of [Formats]. The same report gives the same
// bytes.
func (r Report) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return r.WriteText(w, TextOptions{})
	case "wide":
		return r.WriteText(w, TextOptions{Verbose: true})
	case "json":
		return r.WriteJSON(w)
	case "yaml":
		return asYAML(w, r.WriteJSON)
	case "jsonl":
		return r.writeLines(w)
	case "sarif":
		return r.writeSARIF(w)
	case "junit":
		return r.writeJUnit(w)
	case "markdown":
		return r.writeMarkdown(w)
	case "prometheus":
		return r.writePrometheus(w)
	}
	return fmt.Errorf("write report: there is no format %q; it is one of %s", format, strings.Join(Formats(), ", "))
}

// asYAML writes what write writes as JSON: the same names in the same shape.
func asYAML(w io.Writer, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	text, err := plain.YAML(b.Bytes())
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// Line is one finding as a line of its own, for logs and for jq without a path.
type Line struct {
	Schema string `json:"schema"`
	Time   string `json:"time"` // RFC 3339, UTC
	Pool   string `json:"pool,omitempty"`
	Finding
}

// writeLines writes each finding as one line of JSON, in the order of the report.
func (r Report) writeLines(w io.Writer) error {
	e := json.NewEncoder(w)
	for _, n := range r.Nodes {
		for _, f := range n.Findings {
			if err := e.Encode(Line{Schema, clock(r.Time), n.Pool, f}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ReasonIgnored is the reason of a finding that the user does not want to hear.
const ReasonIgnored = "Ignored"

// Ignore takes what the named checks found out of the report's urgency, and
// leaves their messages. Verdicts stay: they are what the daemon goes by. It
// gives the names that are no check.
func (r Report) Ignore(ids ...string) (Report, []string) {
	unknown := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(append(Checks(), HostChecks()...), func(c Check) bool { return c.ID == id })
	})
	if len(ids) == 0 {
		return r, nil // a report of thousands of nodes is not copied for nothing
	}
	nodes := slices.Clone(r.Nodes)
	for i, n := range nodes {
		nodes[i].Findings = slices.Clone(n.Findings)
		for j, f := range n.Findings {
			if slices.Contains(ids, f.Check) {
				f.State, f.Reason, f.Message = Skip, ReasonIgnored, strings.TrimPrefix(f.Reason+": "+f.Message, ": ")
				nodes[i].Findings[j] = f
			}
		}
	}
	r.Nodes = nodes
	return r, unknown
}

// checkByID finds a check of either list; false for one of a later version.
func checkByID(id string) (Check, bool) {
	for _, c := range append(Checks(), HostChecks()...) {
		if c.ID == id {
			return c, true
		}
	}
	return Check{}, false
}
