package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
)

const statusLong = `Status shows how the pools are and why things wait: nodes that cannot be
drained, pools that cannot grow, pods that nothing helps. It asks the API server
alone, so it needs no credentials for OCI; what it shows of OKE is what the
daemon saw last.

With --watch it is a live view at a terminal: the pools, why things wait, and
what tidemill did lately, laid out for the window's size. ctrl-C ends it, ctrl-Z
lends the terminal to the shell.`

func newStatus(g *globals) *cobra.Command {
	var w watchFlags
	cmd := &cobra.Command{
		Use: "status [POOL...]", Short: "how the pools are, and why things wait", Long: statusLong,
		Example: fmt.Sprintf(statusExample, g.name),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.check(g); err != nil {
				return err
			}
			c, err := g.connect(cmd.Context())
			if err != nil {
				return err
			}
			report := func(ctx context.Context) (statusReport, error) {
				seen, err := look(ctx, c.client)
				if err != nil {
					return statusReport{}, err
				}
				return statusOf(seen, args)
			}
			if w.on {
				return g.watchStatus(cmd.Context(), func(ctx context.Context) (statusReport, []happening, error) {
					r, err := report(ctx)
					if err != nil {
						return r, nil, err
					}
					events, err := lately(ctx, c.client)
					if apierrors.IsForbidden(err) {
						err = nil // the page says so
					}
					return r, events, err
				}, w.every)
			}
			r, err := report(cmd.Context())
			if err != nil {
				return err
			}
			if g.structured() {
				return g.print(r)
			}
			return g.writeStatus(g.stdout, r)
		},
	}
	w.register(cmd.Flags())
	return cmd
}

const statusExample = `  %[1]s status
  %[1]s status workers -o json
  # a live view, until ctrl-C
  %[1]s status --watch`

// statusReport is what status prints.
type statusReport struct {
	Pools []poolRow `json:"pools"`
	// Waiting has one entry for each thing that waits, and why.
	Waiting []waitRow `json:"waiting"`
	// Unseen are the resources that whoever asks may not list: what they would tell is
	// missing.
	Unseen []string `json:"unseen,omitempty"`
}

type poolRow struct {
	Name     string                    `json:"name"`
	Size     int32                     `json:"size"`
	Ready    int32                     `json:"ready"`
	Outdated int32                     `json:"outdated"`
	Draining int32                     `json:"draining"`
	Release  string                    `json:"release,omitempty"`
	Shape    string                    `json:"shape,omitempty"`
	Verbs    string                    `json:"verbs,omitempty"`
	Activity string                    `json:"activity,omitempty"`
	Cycle    *v1alpha1.CycleStatus     `json:"cycle,omitempty"`
	Last     *v1alpha1.LastCycleStatus `json:"lastCycle,omitempty"`
}

type waitRow struct {
	What    string `json:"what"` // "pool", "node", "pods"
	Name    string `json:"name"`
	Count   int    `json:"count,omitempty"` // of pods
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

// statusOf makes the report of the named pools, of all if none is named.
func statusOf(s seen, names []string) (statusReport, error) {
	r := statusReport{Pools: []poolRow{}, Waiting: []waitRow{}}
	left := map[string]bool{}
	for _, n := range names {
		left[n] = true
	}
	for i := range s.pools {
		p := &s.pools[i]
		if len(names) > 0 && !left[p.Name] {
			continue
		}
		delete(left, p.Name)
		r.Pools = append(r.Pools, rowOf(p))
		r.Waiting = append(r.Waiting, waitsOf(p)...)
	}
	for _, n := range names {
		if left[n] {
			return r, &failure{exitNo, fmt.Errorf("there is no pool %q", n), []string{"tidemill status lists all pools; discovery makes one for each node pool of OKE"}}
		}
	}
	if len(names) == 0 {
		r.Unseen = s.unseen
		r.Waiting = append(r.Waiting, strangers(s.nodes)...)
		r.Waiting = append(r.Waiting, podWaits(s.pods, s.events)...)
	}
	return r, nil
}

func rowOf(p *v1alpha1.Pool) poolRow {
	r := poolRow{
		Name: p.Name, Size: p.Status.Size, Ready: p.Status.Ready, Outdated: p.Status.Outdated, Draining: p.Status.Draining, Shape: p.Status.Shape,
		Verbs: verbsOf(p.Spec), Activity: p.Status.Activity, Cycle: p.Status.Cycle, Last: p.Status.LastCycle,
	}
	if p.Status.Release != nil {
		r.Release = p.Status.Release.Kubernetes
	}
	if len(p.Status.Conditions) == 0 && r.Activity == "" {
		r.Activity = "not looked at yet"
	}
	return r
}

// lastRun is how the last request went, "" when there was none.
func (r poolRow) lastRun() string {
	if r.Last == nil {
		return ""
	}
	return r.Last.Request + ": " + r.Last.Outcome
}

// verbsOf says in a few words what the user has opted in to.
func verbsOf(s v1alpha1.PoolSpec) string {
	var on []string
	if s.Scale != nil {
		on = append(on, fmt.Sprintf("scale %d-%d", s.Scale.MinSize, s.Scale.MaxSize))
	}
	if s.Cycle != nil && s.Cycle.Mode != v1alpha1.CycleOff {
		on = append(on, "cycle")
	}
	if s.Repair != nil && s.Repair.Mode != v1alpha1.RepairOff {
		on = append(on, "repair "+string(s.Repair.Mode))
	}
	return strings.Join(on, ", ")
}

// waitsOf is why a pool or nodes of it do not go on.
func waitsOf(p *v1alpha1.Pool) []waitRow {
	var out []waitRow
	for _, w := range []struct {
		condition string
		bad       metav1.ConditionStatus
	}{{v1alpha1.ConditionReady, metav1.ConditionFalse}, {v1alpha1.ConditionScaleBlocked, metav1.ConditionTrue}, {v1alpha1.ConditionBraked, metav1.ConditionTrue}} {
		for _, c := range p.Status.Conditions {
			if c.Type == w.condition && c.Status == w.bad {
				out = append(out, waitRow{What: "pool", Name: p.Name, Reason: c.Reason, Message: c.Message})
			}
		}
	}
	if c := cyclingNote(p); c != nil {
		out = append(out, waitRow{What: "pool", Name: p.Name, Reason: c.Reason, Message: c.Message})
	}
	if run := p.Status.Cycle; run != nil {
		for _, b := range run.Blocked {
			out = append(out, waitRow{What: "node", Name: b.Node, Reason: b.Reason, Message: b.Message})
		}
	}
	if last := p.Status.LastCycle; p.Status.Cycle == nil && last != nil && last.Outcome != "Succeeded" {
		out = append(out, waitRow{What: "pool", Name: p.Name, Reason: last.Outcome, Message: "the last request, " + last.Request + ": " + last.Message})
	}
	return out
}

// cyclingNote is the condition that says how the run is, also one that has stopped, or
// why none begins that is asked for; nil if there is neither.
func cyclingNote(p *v1alpha1.Pool) *metav1.Condition {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionCycling)
	if c == nil || c.Message == "" {
		return nil
	}
	if p.Status.Cycle == nil && (slices.Contains([]string{"Idle", cycle.Succeeded, cycle.Aborted, cycle.Refused}, c.Reason) ||
		p.Status.LastCycle != nil && p.Status.LastCycle.Message == c.Message) {
		return nil // how the last one went is said by the record
	}
	return c
}

// strangers are nodes that no pool can have for want of a provider ID.
func strangers(nodes []corev1.Node) []waitRow {
	var out []waitRow
	for _, n := range nodes {
		if n.Spec.ProviderID == "" {
			out = append(out, waitRow{What: "node", Name: n.Name, Reason: "NoProviderID",
				Message: "the node says no machine of OCI is its own, so it is left alone; the cloud controller manager sets spec.providerID"})
		}
	}
	return out
}

// podWaits groups pending pods by why nothing helps them.
func podWaits(pods []corev1.Pod, events []corev1.Event) []waitRow {
	why := map[string]corev1.Event{} // the latest by namespace/name
	for _, e := range events {
		key := e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name
		if old, ok := why[key]; !ok || eventTime(e).After(eventTime(old)) {
			why[key] = e
		}
	}
	var out []waitRow
	at := map[[2]string]int{} // reason and message to place in out
	for _, p := range pods {
		if p.Spec.NodeName != "" || p.DeletionTimestamp != nil {
			continue
		}
		key := p.Namespace + "/" + p.Name
		reason, message := "Pending", waitingFor(&p)
		if e, ok := why[key]; ok {
			reason, message = reasonIn(e.Message)
		}
		i, ok := at[[2]string{reason, message}]
		if !ok {
			i = len(out)
			at[[2]string{reason, message}] = i
			out = append(out, waitRow{What: "pods", Name: key, Reason: reason, Message: message})
		}
		out[i].Count++
	}
	return out
}

// reasonIn parts scaling's note into its typed reason and the rest: "pod didn't
// trigger scale-up: NoPoolFits, workers: ...".
func reasonIn(note string) (reason, message string) {
	rest, ok := strings.CutPrefix(note, "pod didn't trigger scale-up: ")
	if !ok {
		return notHelped, note
	}
	reason, message, _ = strings.Cut(rest, ", ")
	return reason, message
}

func eventTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.LastTimestamp.Time
}

// waitingFor is what the scheduler says.
func waitingFor(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return strings.TrimSpace(c.Message)
		}
	}
	return "the scheduler has not looked at it yet"
}

const noPools = "no pools yet: once the daemon runs, discovery makes one for each node pool of OKE"

func (g *globals) writeStatus(w io.Writer, r statusReport) error {
	if len(r.Pools) == 0 {
		_, err := fmt.Fprintln(w, noPools)
		return err
	}
	head := []string{"POOL", "SIZE", "READY", "OUTDATED", "RELEASE", "ON", "ACTIVITY"}
	wide := g.output == "wide"
	if wide {
		head = append(head, "DRAINING", "SHAPE", "LAST RUN")
	}
	t := newTable(w, head...)
	for _, p := range r.Pools {
		row := []string{p.Name, fmt.Sprint(p.Size), fmt.Sprint(p.Ready), fmt.Sprint(p.Outdated), p.Release, p.Verbs, p.Activity}
		if wide {
			row = append(row, fmt.Sprint(p.Draining), p.Shape, p.lastRun())
		}
		t.row(row...)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if reasons := r.reasons(); len(reasons) > 0 {
		section(w, "\nWaiting:", reasons, "")
	}
	if text := r.blind(); text != "" {
		fmt.Fprintf(w, "\n%s\n", text)
	}
	return nil
}

// blind says what is missing from the report, "" for nothing.
func (r statusReport) blind() string {
	if len(r.Unseen) == 0 {
		return ""
	}
	return "Not seen, as you may not list them: " + strings.Join(r.Unseen, ", ")
}

// reasons are why things wait, one line for all that wait for the same.
func (r statusReport) reasons() []string {
	var lines []because
	for _, w := range r.Waiting {
		lines = append(lines, w.because())
	}
	return gather(lines)
}

// because is the row for people.
func (w waitRow) because() because {
	tail := strings.TrimSuffix(w.Reason+": "+strings.ReplaceAll(w.Message, "\n", "; "), ": ")
	what := map[string]string{"pods": "pod"}[w.What]
	if what == "" {
		what = w.What
	}
	return because{what: what, name: w.Name, count: max(w.Count, 1), tail: ": " + tail}
}
