package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// What the agent on a host finds reaches the daemon through one condition of its
// Node, TidemillHostProblem, and nothing else: no object more to store, none to
// clean up, and the right to write it can be cut down to this condition of this
// Node. Its message begins with a head for programs and goes on for people:
//
//	fail=root-read-only@1772366400,gpus@1772366700 warn=memory; / is mounted read-only
//
// A number is the second since 1970 at which the check began to fail on this
// agent's record. The heartbeat says how fresh it is; older than Policy.HostFresh
// it counts for nothing, whatever it says: an agent that died has not found
// anything.

// maxHostChecks bounds each list of the head: with IDs of 32 letters it leaves
// room for a sentence below the message's 512 bytes.
const maxHostChecks = 6

// logFresh is how long a log line is evidence; it is written once, and what it
// tells of may heal unseen.
const logFresh = time.Hour

// HostCondition is what a host's findings come to. before is the condition that
// stands on the Node, nil if none does: it dates failures that go on.
func HostCondition(findings []Finding, before *corev1.NodeCondition, now time.Time) corev1.NodeCondition {
	known := map[string]time.Time{}
	if before != nil {
		known, _ = readHead(before.Message)
	}
	var fail, warn []string
	first, looked := "", false
	for _, f := range findings {
		looked = looked || f.State != Unknown && f.State != Skip
		switch f.State {
		case Fail:
			since := now
			if at, ok := known[f.Check]; ok {
				since = at
			}
			if !f.Since.IsZero() {
				since = f.Since
			}
			fail = append(fail, f.Check+"@"+strconv.FormatInt(since.Unix(), 10))
			if first == "" {
				first = f.Message
			}
		case Warn:
			warn = append(warn, f.Check)
		}
	}
	c := corev1.NodeCondition{Type: v1alpha1.NodeConditionHost, Status: corev1.ConditionFalse, Reason: ReasonPassed}
	switch {
	case len(fail) > 0:
		id, _, _ := strings.Cut(fail[0], "@")
		c.Status, c.Reason = corev1.ConditionTrue, Camel(id)
	case !looked:
		c.Status, c.Reason = corev1.ConditionUnknown, ReasonNotExamined
	}
	c.Message = shorten(head(fail, warn) + "; " + or(clean(first), "no check fails"))
	return c
}

// weigh is what a failure that the host reports comes to after so long: a log
// line expires, what repair could not act on warns, and so does what has not
// stood for as long as its check asks.
func weigh(check Check, stood time.Duration) (s State, unconfirmed bool) {
	switch {
	case check.Evidence == EvidenceLog && stood > logFresh:
		return Skip, false
	case check.Action == ActionNone || check.Evidence != EvidenceLevel:
		return Warn, false
	case stood < check.Confirm:
		return Warn, true
	}
	return Fail, false
}

func head(fail, warn []string) string {
	list := func(ids []string) string { return strings.Join(ids[:min(len(ids), maxHostChecks)], ",") }
	return "fail=" + list(fail) + " warn=" + list(warn)
}

// readHead reads what fails, since when, and what warns. What makes no sense is
// not there.
func readHead(message string) (fail map[string]time.Time, warn []string) {
	fail = map[string]time.Time{}
	text, _, _ := strings.Cut(message, ";")
	for _, word := range strings.Fields(text) {
		key, ids, _ := strings.Cut(word, "=")
		for _, id := range strings.Split(ids, ",") {
			name, at, dated := strings.Cut(id, "@")
			if !ofHost(name) {
				continue
			}
			seconds, err := strconv.ParseInt(at, 10, 64)
			switch {
			case key == "fail" && dated && err == nil && seconds > 0:
				fail[name] = time.Unix(seconds, 0).UTC()
			case key == "warn":
				warn = append(warn, name)
			}
		}
	}
	return fail, warn
}

// PublishHost writes what the host found on its own Node, by server-side apply
// with an owner of its own.
func PublishHost(ctx context.Context, c client.Client, node string, findings []Finding) error {
	var n corev1.Node
	if err := c.Get(ctx, client.ObjectKey{Name: node}, &n); err != nil {
		return fmt.Errorf("publish findings of host %s: %w", node, err)
	}
	var before *corev1.NodeCondition
	for i := range n.Status.Conditions {
		if n.Status.Conditions[i].Type == v1alpha1.NodeConditionHost {
			before = &n.Status.Conditions[i]
		}
	}
	return kube.ApplyNodeCondition(ctx, c, &n, v1alpha1.OwnerHost, HostCondition(findings, before, time.Now()))
}

// hostFindings are what the host says of itself, as findings among the others.
// What repair could not act on only warns: it must not cost the node its place
// among those that count.
func hostFindings(p Patient, policy Policy) []Finding {
	stands := p.Node.Condition(v1alpha1.NodeConditionHost)
	if stands == nil || p.Leaving() {
		return nil
	}
	f := Finding{Node: p.Name()}
	if age := p.Now.Sub(stands.LastHeartbeatTime.Time); age > policy.HostFresh {
		f.Check, f.State, f.Reason = "host-report", Unknown, "Stale"
		f.Message = "the agent on the host has been silent since " + clock(stands.LastHeartbeatTime.Time)
		return []Finding{f}
	}
	fail, warn := readHead(stands.Message)
	_, text, _ := strings.Cut(stands.Message, "; ")
	var out []Finding
	for _, id := range sortedKeys(fail) {
		check, _ := checkOf(id)
		g := f
		g.Check, g.Since, g.Reason, g.Remedy = id, fail[id], ReasonHostReport, check.Remedy
		if g.State, g.Unconfirmed = weigh(check, p.Now.Sub(g.Since)); g.State == Skip {
			continue
		}
		g.Message = clean(fmt.Sprintf("the host says so since %s", clock(g.Since)))
		if stands.Reason == Camel(id) {
			g.Message = clean(fmt.Sprintf("since %s: %s", clock(g.Since), text))
		}
		out = append(out, g)
	}
	for _, id := range warn {
		g := f
		g.Check, g.State, g.Reason, g.Message = id, Warn, ReasonHostReport, "the host warns"
		out = append(out, g)
	}
	return out
}
