package doctor

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/plain"
)

// Verdict is what all findings on a node come to: the status, reason and message
// of its condition TidemillNodeProblem.
type Verdict struct {
	// Status is True for a problem, False for examined and fine, Unknown for not
	// examined; "" when there is no Node to judge, or it is leaving: what stands
	// on it stays.
	Status corev1.ConditionStatus `json:"status,omitempty"`
	// Reason is the first failing check's ID in CamelCase, or one of the reasons
	// below.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Reasons of a verdict that no check gives.
const (
	// ReasonPassed: no check fails.
	ReasonPassed = "Passed"
	// ReasonNotExamined: what must be known before a node is trusted is not.
	ReasonNotExamined = "NotExamined"
	// ReasonNotConfirmed: a node that has not been trusted yet shows a failure
	// that has not stood long enough.
	ReasonNotConfirmed = "NotConfirmed"
)

// Case is a patient with what was found.
type Case struct {
	Patient  Patient
	Findings []Finding
	Verdict  Verdict
}

// Judge examines everybody in a look and comes to a verdict on each: all of the
// doctor but its writes and its decisions.
func Judge(ctx context.Context, look *Look, runner *Runner, policy Policy) []Case {
	policy = policy.withDefaults()
	people := patients(look, policy)
	return judgeAll(people, runner.Examine(ctx, people), runner.Checks, policy)
}

// judgeAll puts patients and findings together, and what their hosts say of
// themselves after what everybody else does.
func judgeAll(patients []Patient, findings [][]Finding, checks []Check, policy Policy) []Case {
	cases := make([]Case, len(patients))
	for i, p := range patients {
		all := findings[i]
		if p.Node != nil {
			all = append(all, hostFindings(p, policy)...)
		}
		cases[i] = Case{p, all, verdictOf(p, all, checks)}
	}
	return cases
}

// verdictOf is the gate and the alarm in one. Findings are in the order of
// checks. Trust needs everything that a gate asks for to have been seen; a
// failure that is not confirmed yet keeps a new node out, and does not put an
// old one out.
func verdictOf(p Patient, findings []Finding, checks []Check) Verdict {
	if p.Node.Object == nil || p.Leaving() {
		return Verdict{}
	}
	var fails, unconfirmed, unseen []Finding
	for i, f := range findings {
		switch {
		case i < len(checks) && checks[i].Shared:
		case f.State == Fail:
			fails = append(fails, f)
		case f.Unconfirmed:
			unconfirmed = append(unconfirmed, f)
		case f.State == Unknown && i < len(checks) && checks[i].Gate:
			unseen = append(unseen, f)
		}
	}
	switch {
	case p.Joining() && !p.Node.Ready():
		return Verdict{corev1.ConditionUnknown, ReasonJoining, "the node has not been Ready yet"}
	case len(fails) > 0:
		return Verdict{corev1.ConditionTrue, Camel(fails[0].Check), messages(fails)}
	case len(unseen) > 0 && unseen[0].Reason == ReasonJoining:
		return Verdict{corev1.ConditionUnknown, ReasonJoining, messages(unseen)}
	case len(unseen) > 0:
		return Verdict{corev1.ConditionUnknown, ReasonNotExamined, messages(unseen)}
	case len(unconfirmed) > 0 && !p.Examined():
		return Verdict{corev1.ConditionUnknown, ReasonNotConfirmed, messages(unconfirmed)}
	}
	return Verdict{corev1.ConditionFalse, ReasonPassed, "no check fails"}
}

// maxMessage is the longest message of a condition: 2,000 nodes stay small
// objects.
const maxMessage = 512

func messages(findings []Finding) string {
	var parts []string
	for _, f := range findings {
		parts = append(parts, f.Check+": "+f.Message)
	}
	return shorten(strings.Join(parts, "; "))
}

// shorten cuts a text at maxMessage bytes without cutting a letter in two.
func shorten(text string) string { return plain.Cut(text, maxMessage) }

// fails is whether the node stands condemned.
func (c Case) fails() bool { return c.Verdict.Status == corev1.ConditionTrue }

// failures are the findings that fail, in order, without those that say nothing of
// this node.
func (c Case) failures() []Finding {
	var out []Finding
	for _, f := range c.Findings {
		if check, _ := checkOf(f.Check); f.State == Fail && !check.Shared {
			out = append(out, f)
		}
	}
	return out
}
