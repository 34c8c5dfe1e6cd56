package sim

import "math/rand/v2"

// A Tape is the source of every choice of a run. It is read from a list and,
// after its end, from a seed, or as zeros if there is none; what was read is
// kept, so that any run can be played again.
type Tape struct {
	given []uint32
	used  []uint32
	more  *rand.Rand
}

// NewTape is a tape by seed.
func NewTape(seed uint64) *Tape { return &Tape{more: rand.New(rand.NewPCG(seed, 0x7469646d696c6c))} }

// Replay is a tape of these numbers, zeros after them.
func Replay(numbers []uint32) *Tape { return &Tape{given: numbers} }

// Used is what was read so far.
func (t *Tape) Used() []uint32 { return t.used }

// Pick chooses from 0 to n-1. A number on a tape means the same whatever n is
// as long as it is below n: cutting one part of a tape changes little elsewhere.
func (t *Tape) Pick(n int) int {
	var v uint32
	switch i := len(t.used); {
	case i < len(t.given):
		v = t.given[i] % uint32(n)
	case t.more != nil:
		v = t.more.Uint32N(uint32(n))
	}
	t.used = append(t.used, v)
	return int(v)
}

// frame is how many numbers a step has. Most read fewer; the rest is zeros. So a
// step always begins at the same place of the tape, and one that is made zeros or
// taken out leaves all others as they are.
const frame = 12

// Align ends a step.
func (t *Tape) Align() {
	for len(t.used)%frame != 0 {
		t.used = append(t.used, 0)
	}
}

// Chance is true in so many of a thousand cases. Zero on the tape is false.
func (t *Tape) Chance(permille int) bool {
	if permille <= 0 {
		return false
	}
	return t.Pick(1000) >= 1000-permille
}
