package doctor

import (
	"testing"
	"time"
)

// Three looks in a row make a failure certain. One that did not see it begins
// anew, one that could not look does neither, and a burst of looks counts once.
func TestConfirmationsAreInARow(t *testing.T) {
	h := NewHistory()
	c := ward(1)
	patient := c.caseOf(t, "n1").Patient
	key := Failure{patient.key(), "lease"}
	for i, x := range []struct {
		state State
		after time.Duration
		want  int
	}{
		{Fail, time.Minute, 1}, {Fail, time.Minute, 2}, {Unknown, time.Minute, 2}, {Fail, time.Second, 3},
		{Pass, time.Minute, 0}, {Fail, time.Minute, 1}, {Fail, time.Second, 1}, {Warn, time.Minute, 0}, {Unknown, time.Minute, 0}, {Fail, time.Minute, 1},
		{Skip, time.Minute, 0}, {Fail, time.Minute, 1}, {Fail, confirmEvery, 2},
	} {
		patient.Now = patient.Now.Add(x.after)
		sight := h.Confirm([]Case{{Patient: patient, Findings: []Finding{{Check: "lease", State: x.state}}}})
		if got := sight.Seen[key].Looks; got != x.want {
			t.Errorf("look %d, %s: confirmed by %d, want %d", i+1, x.state, got, x.want)
		}
	}
}
