package cycle

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// skips is what a node says of its drains that ran out of time.
type skips struct {
	// Until is until when it is left alone.
	Until time.Time
	// Times is how many drains ran out of time, at least one.
	Times int
	// Alone is how many of the last ones in a row did so while no other node of the pool
	// was being emptied: those were kept by nothing that will be over with the others.
	Alone int
}

// String is the text of the annotation: "2026-07-31T12:10:00Z after 2 timeouts, 1
// alone"; without a number of timeouts it is one, without the last part none was alone.
func (s skips) String() string {
	text := clock(&s.Until)
	if s.Times > 1 {
		text += fmt.Sprintf(" after %d timeouts", s.Times)
		if s.Alone > 0 {
			text += fmt.Sprintf(", %d alone", s.Alone)
		}
	}
	return text
}

// skipped reads the annotation. What cannot be read is the zero time, and one timeout.
func skipped(n *world.Node) (s skips, before bool) {
	if n.Object == nil {
		return skips{}, false
	}
	text, ok := n.Object.Annotations[v1alpha1.AnnotationSkippedUntil]
	if !ok {
		return skips{}, false
	}
	at, rest, _ := strings.Cut(text, " after ")
	times, alone, _ := strings.Cut(rest, " timeouts, ")
	s.Times = leading(times, 1)
	s.Alone = min(leading(alone, 0), s.Times)
	s.Until, _ = time.Parse(time.RFC3339, at)
	return s, true
}

// leading is the number that the text begins with, at least least and at most a thousand.
func leading(text string, least int) int {
	digits, _, _ := strings.Cut(text, " ")
	v, err := strconv.Atoi(digits)
	if err != nil {
		return least
	}
	return min(max(v, least), 1000)
}

// skippedUntil is the time until which the node is left alone, and whether its
// drain was given up before.
func skippedUntil(n *world.Node) (until time.Time, before bool) {
	s, before := skipped(n)
	return s.Until, before
}
