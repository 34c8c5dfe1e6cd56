package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Shrink looks for a shorter tape with which the same promise is broken: the end
// is cut off, then ever fewer steps are made zeros, which means that nothing
// special happens in them: no fault, nobody interferes, the first that waits is
// served; then steps are taken out. The first frame is the world. play plays a tape; it is called at most runs times.
func Shrink(tape []uint32, promise string, runs int, play func([]uint32) *Violation) []uint32 {
	s := shrinker{promise: promise, runs: runs, play: play, best: trim(tape)}
	if !s.breaks(s.best) {
		return tape // zeros after the end make another history
	}
	s.cut()
	for size := max(len(s.best)/frame/4, 1); s.runs > 0 && size > 0; size /= 2 {
		s.blank(size * frame)
	}
	for size := max(len(s.best)/frame/4, 1); s.runs > 0 && size > 0; size /= 2 {
		s.drop(size * frame)
	}
	return s.best
}

type shrinker struct {
	promise string
	runs    int
	play    func([]uint32) *Violation
	best    []uint32
}

// breaks is whether the tape still does it.
func (s *shrinker) breaks(tape []uint32) bool {
	if s.runs <= 0 {
		return false
	}
	s.runs--
	v := s.play(tape)
	return v != nil && v.Promise == s.promise
}

// cut takes the end away, half of what may go each time.
func (s *shrinker) cut() {
	for step := len(s.best) / 2; step > 0 && s.runs > 0; {
		if n := len(s.best) - step; n > 0 && s.breaks(s.best[:n]) {
			s.best = trim(s.best[:n])
			step = min(step, len(s.best)/2)
			continue
		}
		step /= 2
	}
}

// blank makes zeros of pieces of this size.
func (s *shrinker) blank(size int) {
	for at := frame; at < len(s.best); at += size {
		piece := s.best[at:min(at+size, len(s.best))]
		if !slices.ContainsFunc(piece, func(v uint32) bool { return v != 0 }) {
			continue
		}
		next := slices.Clone(s.best)
		clear(next[at : at+len(piece)])
		if s.breaks(trim(next)) {
			s.best = trim(next)
		}
	}
}

// drop takes pieces of this size out.
func (s *shrinker) drop(size int) {
	for at := frame; at+size < len(s.best) && s.runs > 0; {
		next := trim(slices.Concat(s.best[:at], s.best[at+size:]))
		if !s.breaks(next) {
			at += size
			continue
		}
		s.best = next
	}
}

// trim takes zeros off the end, where they are what is read anyway.
func trim(tape []uint32) []uint32 {
	n := len(tape)
	for n > 0 && tape[n-1] == 0 {
		n--
	}
	return tape[:n]
}

// A Case is a tape that is kept as text: a history that once broke a promise.
//
//	seed: 24
//	promise: no surprise delete
//	state: open
//	# what happened, in words
//	3 0 0 17 0x12 5
//
// 0x12 is twelve zeros.
type Case struct {
	Seed    uint64
	Promise string
	// Open is whether the daemon still breaks the promise; a closed case must not
	// be broken again.
	Open bool
	Note string
	Tape []uint32
}

// String is the text that ReadCase reads.
func (c Case) String() string {
	state := "closed"
	if c.Open {
		state = "open"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seed: %d\npromise: %s\nstate: %s\n", c.Seed, c.Promise, state)
	for line := range strings.Lines(c.Note) {
		b.WriteString("# " + strings.TrimSpace(line) + "\n")
	}
	words := words(c.Tape)
	for len(words) > 0 {
		n := min(len(words), 24)
		b.WriteString(strings.Join(words[:n], " ") + "\n")
		words = words[n:]
	}
	return b.String()
}

func words(tape []uint32) []string {
	var out []string
	for i := 0; i < len(tape); {
		n := i
		for n < len(tape) && tape[n] == 0 {
			n++
		}
		if n-i > 1 {
			out, i = append(out, fmt.Sprintf("0x%d", n-i)), n
			continue
		}
		out, i = append(out, strconv.FormatUint(uint64(tape[i]), 10)), i+1
	}
	return out
}

// ReadCase reads what String has written.
func ReadCase(text string) (Case, error) {
	var c Case
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, head := strings.Cut(line, ": ")
		var err error
		switch {
		case line == "":
		case line[0] == '#':
			c.Note += strings.TrimSpace(line[1:]) + "\n"
		case head && key == "seed":
			c.Seed, err = strconv.ParseUint(value, 10, 64)
		case head && key == "promise":
			c.Promise = value
		case head && key == "state":
			c.Open = value == "open"
		default:
			c.Tape, err = readWords(c.Tape, line)
		}
		if err != nil {
			return c, fmt.Errorf("read case: %w", err)
		}
	}
	return c, nil
}

func readWords(tape []uint32, line string) ([]uint32, error) {
	for _, word := range strings.Fields(line) {
		zeros, many := strings.CutPrefix(word, "0x")
		v, err := strconv.ParseUint(zeros, 10, 32)
		if err != nil {
			return tape, err
		}
		if many {
			tape = append(tape, make([]uint32, min(v, 1<<20))...)
			continue
		}
		tape = append(tape, uint32(v))
	}
	return tape, nil
}

// Telling is whether a line of the trace belongs to the story: what people,
// misfortune and the cloud do, what fails, and what the daemon writes. The rest is
// reading.
func Telling(line string) bool {
	for _, sign := range []string{" person: ", " crash ", " FAULT ", " freeze ", " break ", " compact", " cloud ", " calm", " OCI POST ", " OCI PUT ", " OCI DELETE "} {
		if strings.Contains(line, sign) {
			return true
		}
	}
	write := strings.Contains(line, " PATCH ") || strings.Contains(line, " POST ") || strings.Contains(line, " DELETE ")
	return write && !strings.Contains(line, "/leases") && !strings.Contains(line, "computeCapacityReports")
}
