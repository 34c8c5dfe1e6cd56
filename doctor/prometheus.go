package doctor

import (
	"fmt"
	"io"
	"strings"
)

// scores are states as numbers, so that an alert is one comparison. What was
// skipped has no series.
var scores = map[State]int{Unknown: -1, Pass: 0, Info: 1, Warn: 2, Fail: 3}

// writePrometheus writes the text format of metrics, for node_exporter's
// textfile collector. The names differ from the daemon's, which counts nodes by
// check where this has one series for each.
func (r Report) writePrometheus(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# HELP tidemill_doctor_node_check_state What a check found on a node: 0 pass, 1 info, 2 warn, 3 fail, -1 could not look.\n# TYPE tidemill_doctor_node_check_state gauge\n")
	for _, n := range r.Nodes {
		for _, f := range n.Findings {
			if score, ok := scores[f.State]; ok {
				fmt.Fprintf(&b, "tidemill_doctor_node_check_state{node=%s,pool=%s,check=%s,reason=%s} %d\n", label(n.Node), label(n.Pool), label(f.Check), label(f.Reason), score)
			}
		}
	}
	b.WriteString("# HELP tidemill_doctor_node_count Counters of the host that checks compare from run to run.\n# TYPE tidemill_doctor_node_count gauge\n")
	for _, n := range r.Nodes {
		for _, f := range n.Findings {
			if f.Check == uninterruptible.ID {
				continue // a series for each process would be one too many
			}
			for _, key := range sortedKeys(f.Counts) {
				_, of, _ := strings.Cut(key, "/")
				fmt.Fprintf(&b, "tidemill_doctor_node_count{node=%s,check=%s,of=%s} %d\n", label(n.Node), label(f.Check), label(of), f.Counts[key])
			}
		}
	}
	b.WriteString("# HELP tidemill_doctor_node_last_run_timestamp_seconds When the examination ended.\n# TYPE tidemill_doctor_node_last_run_timestamp_seconds gauge\n")
	for _, n := range r.Nodes {
		fmt.Fprintf(&b, "tidemill_doctor_node_last_run_timestamp_seconds{node=%s} %d\n", label(n.Node), r.Time.Unix())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// label is a label's value in quotes, as the text format escapes it.
func label(v string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(v) + `"`
}
