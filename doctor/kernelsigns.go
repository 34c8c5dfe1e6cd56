package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// kernelSign is a check on the kernel's log: lines of one kind in the last hour.
//
// A line is evidence that something happened, never that it is so now: it
// expires, and no repair rests on it (see EvidenceLog).
type kernelSign struct {
	id, title, remedy string
	limits            Limits
	reason            string
	// literal is in every such line: most lines are dismissed by it, before the
	// slow expression is asked.
	literals []string
	line     *regexp.Regexp
	// cure is a line that takes an earlier one back, of the same first group.
	cure *regexp.Regexp
}

// logSource is what the limits of all signs have in common.
const logSource = "lines of the kernel's own in the last hour"

// check is the sign as a check of its own.
func (s kernelSign) check() Check {
	if s.limits.Source == "" {
		s.limits.Source = logSource
	}
	return Check{
		ID: s.id, Title: s.title, Unit: "lines", Limits: s.limits, Evidence: EvidenceLog, Remedy: s.remedy, Action: ActionNone,
		Run: func(_ context.Context, p Patient) Finding {
			lines, err := p.Host.recent()
			if err != nil {
				return unreadable("the kernel's log", err)
			}
			return s.judge(p, s.matches(lines))
		},
	}
}

// matches are the lines that bear the sign and that no later line takes back.
func (s kernelSign) matches(lines []KernelLine) []KernelLine {
	var out []KernelLine
	for _, l := range lines {
		if !containsAny(l.Text, s.literals) {
			continue
		}
		if s.cure != nil {
			if c := s.cure.FindStringSubmatch(l.Text); c != nil {
				out = s.without(out, c[1])
				continue
			}
		}
		if s.line.MatchString(l.Text) {
			out = append(out, l)
		}
	}
	return out
}

func (s kernelSign) without(lines []KernelLine, what string) []KernelLine {
	var out []KernelLine
	for _, l := range lines {
		if m := s.line.FindStringSubmatch(l.Text); len(m) < 2 || m[1] != what {
			out = append(out, l)
		}
	}
	return out
}

func (s kernelSign) judge(p Patient, found []KernelLine) Finding {
	f := Finding{State: judge(s.limits, float64(len(found))), Observed: fmt.Sprintf("%d in the last hour", len(found))}
	if len(found) == 0 {
		return f
	}
	if f.State == Pass {
		f.State = Info
	}
	last := found[len(found)-1]
	f.Reason, f.Message = s.reason, fmt.Sprintf("last%s: %s", last.stamp(), last.Text)
	f.Since = p.logged(last)
	return f
}

// stamp is when a line was written, as dmesg shows it: it stays the same from
// look to look, which an age would not.
func (l KernelLine) stamp() string {
	if !l.Dated {
		return ""
	}
	return fmt.Sprintf(" [%.3f]", l.At.Seconds())
}

// logged is a line's time of day, in whole minutes: uptime and clock are read one
// after the other, and the seconds would differ from look to look.
func (p Patient) logged(l KernelLine) time.Time {
	up, err := p.Host.uptime()
	if err != nil || !l.Dated {
		return time.Time{}
	}
	return p.Now.Add(l.At - up).Truncate(time.Minute)
}

func containsAny(text string, literals []string) bool {
	for _, l := range literals {
		if strings.Contains(text, l) {
			return true
		}
	}
	return false
}
