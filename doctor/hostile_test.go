package doctor

import (
	"bytes"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Whatever stands in the cluster and whatever the cloud answers, a look ends, in
// time, without a panic, and no text in the report is one that a terminal obeys
// or is without end.
func TestHostileWorld(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := newClinic()
		for _, name := range []string{"n1", "n2", "n3"} {
			k.addNode(name)
		}
		k.Corrupt(func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") })
		began := time.Now()
		cases, plan := k.decide(t)
		if took := time.Since(began); took > 20*time.Second {
			rt.Fatalf("a look took %s", took)
		}
		r := reportOf(k.Snapshot(), cases, plan)
		for _, n := range r.Nodes {
			for _, f := range n.Findings {
				if f.Reason == ReasonPanicked {
					rt.Errorf("%s panicked: %s", f.Check, f.Message)
				}
				if len(f.Message) > maxText || !utf8.ValidString(f.Message) || bytes.ContainsAny([]byte(f.Message), "\x1b\x07\u202e\u009b") {
					rt.Errorf("%s says %d bytes: %.100q", f.Check, len(f.Message), f.Message)
				}
			}
		}
		for _, p := range plan.Publish {
			if len(p.Condition.Message) > maxMessage {
				rt.Errorf("a condition of %d bytes", len(p.Condition.Message))
			}
		}
	})
}
