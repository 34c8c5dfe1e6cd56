package doctor

import (
	"encoding/json"
	"strings"
)

// Adopt takes over findings that came from a host, as those of a node. The host
// may be sick, or lie: what is no check of this version is left out, what is
// said twice counts once, texts are made harmless, and nothing that only we know
// (the date of a failure, the remedy) is believed.
func Adopt(findings []Finding, node string) []Finding {
	given := map[string]Finding{}
	for _, f := range findings {
		if _, twice := given[f.Check]; !twice {
			given[f.Check] = f
		}
	}
	var out []Finding
	for _, c := range HostChecks() {
		f, ok := given[c.ID]
		if !ok {
			continue
		}
		kept := Finding{Check: c.ID, Node: node, State: f.State, Reason: reasonWord(f.Reason), Observed: clean(f.Observed), Message: clean(f.Message), Limit: c.Limits.describe(c.Unit)}
		if f.State == Warn || f.State == Fail {
			kept.Remedy = c.Remedy
		}
		out = append(out, kept)
	}
	return out
}

// reasonWord is a reason as programs may compare it; what is none is "Unreadable".
func reasonWord(reason string) string {
	if len(reason) > 64 || strings.ContainsFunc(reason, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return ReasonUnreadable
	}
	return reason
}

// maxBrief is what the kubelet keeps of a termination message.
const maxBrief = 4096

// Brief is what fails, warns and is not known, most urgent first, in no more than
// the 4,096 bytes of a container's termination message: it reaches the API even
// where the kubelet gives out no log.
func (r Report) Brief() []byte {
	type entry struct {
		Check  string `json:"c"`
		State  State  `json:"s"`
		Reason string `json:"r,omitempty"`
	}
	out := []byte("[")
	for _, state := range []State{Fail, Warn, Unknown} {
		for _, n := range r.Nodes {
			for _, f := range n.Findings {
				if f.State != state {
					continue
				}
				line, err := json.Marshal(entry{f.Check, f.State, f.Reason})
				if err != nil || len(out)+len(line)+2 > maxBrief {
					continue
				}
				if len(out) > 1 {
					out = append(out, ',')
				}
				out = append(out, line...)
			}
		}
	}
	return append(out, ']')
}

// ParseBrief reads a brief back, as findings of a node; what makes no sense is
// nothing.
func ParseBrief(text, node string) []Finding {
	var entries []struct {
		Check  string `json:"c"`
		State  State  `json:"s"`
		Reason string `json:"r"`
	}
	if json.Unmarshal([]byte(text), &entries) != nil {
		return nil
	}
	var found []Finding
	for _, e := range entries {
		found = append(found, Finding{Check: e.Check, State: e.State, Reason: e.Reason, Message: "the node's log could not be read: only this is known"})
	}
	return Adopt(found, node)
}
