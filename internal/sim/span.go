package sim

import "time"

// A span is how much of a life one history shows. Most are short: a minute of faults
// has the deaths, lost answers and people of ten requests or so, and what they have
// broken shows in the few minutes after. To be seen at all, some things need longer
// (drains that run out of time, machines that are repaired, brakes), and some
// need one thing at a time, in peace; so one history in eight has everything, and two
// have one thing that somebody leaves behind and hardly any faults.
type span struct {
	faults time.Duration
	leaves legacy
}

// legacy is how much of leavings a history has.
type legacy int

const (
	leavesAny  legacy = iota // each by its own chance
	leavesNone               // and whoever has started something wants to be done with it
	leavesOne
)

var spans = []span{
	{4 * time.Minute, leavesAny},
	{40 * time.Second, leavesNone}, {30 * time.Second, leavesNone}, {50 * time.Second, leavesNone}, {40 * time.Second, leavesNone},
	{90 * time.Second, leavesNone},
	{10 * time.Second, leavesOne}, {20 * time.Second, leavesOne},
}

// drawSpan comes after the cluster is built: a tape that ends before has everything.
func (w *World) drawSpan() {
	w.span = spans[0]
	if !w.opt.Gentle {
		w.span = spans[w.tape.Pick(len(spans))]
	}
	if w.span.leaves != leavesAny && w.mix.still < stillness {
		w.mix.still = shortStill
	}
	if w.opt.Faults > 0 {
		w.span.faults = w.opt.Faults
	}
}

// shortStill is how long nothing is written at the end of a short history: longer than
// a loop needs to look again on its own.
const shortStill = ownInterval + time.Minute
