package sim

import "time"

// A span is how much of a life one history shows, and how dense its troubles are.
// What planted bugs cost to find was measured: two minutes with all that people leave
// behind find them at about a third of the CPU that four minutes take, and at a quarter
// of what forty seconds with nothing left behind take; those are cheap, and blind. So
// most histories are of the first kind; some are longer, for what only time shows, and
// some have one thing that somebody leaves behind and hardly any faults.
type span struct {
	faults time.Duration
	leaves legacy
	// trouble multiplies how often people act, processes suffer and machines fall ill.
	trouble int
}

// legacy is how much of leavings a history has.
type legacy int

const (
	leavesAny  legacy = iota // each by its own chance
	leavesNone               // and whoever has started something wants to be done with it
	leavesOne
)

var spans = []span{
	{4 * time.Minute, leavesAny, 1},
	{2 * time.Minute, leavesAny, 1}, {2 * time.Minute, leavesAny, 2}, {2 * time.Minute, leavesAny, 1}, {2 * time.Minute, leavesAny, 2},
	{90 * time.Second, leavesAny, 1},
	{40 * time.Second, leavesNone, 2},
	{15 * time.Second, leavesOne, 1},
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
	for _, permille := range []*int{&w.mix.people, &w.mix.chaos, &w.mix.crash, &w.mix.moments, &w.mix.parts.ills, &w.mix.parts.hostile} {
		*permille *= w.span.trouble
	}
	if w.opt.Faults > 0 {
		w.span.faults = w.opt.Faults
	}
}

// shortStill is how long nothing is written at the end of a short history: longer than
// a loop needs to look again on its own.
const shortStill = ownInterval + time.Minute
