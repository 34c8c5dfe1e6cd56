package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/tidemill/tidemill/internal/plain"
)

// because is why something is as it is, in parts, so that what holds for many is
// said once.
type because struct {
	what, name string // "pod", "shop/web-1"
	count      int    // how many it stands for
	tail       string // the rest of the sentence
}

// sentence parts a sentence that begins with what and name.
func sentence(what, name, text string) because {
	return because{what, name, 1, strings.TrimPrefix(text, what+" "+name)}
}

// gather makes lines, one for all that say the same, in the order of the first.
func gather(list []because) []string {
	at := map[[2]string]int{}
	var kept []because
	for _, b := range list {
		key := [2]string{b.what, b.tail}
		i, ok := at[key]
		if !ok {
			at[key] = len(kept)
			kept = append(kept, b)
			continue
		}
		kept[i].count += b.count
	}
	var out []string
	for _, b := range kept {
		more := ""
		if b.count > 1 {
			more = fmt.Sprintf(" (and %d more)", b.count-1)
		}
		out = append(out, b.what+" "+b.name+more+b.tail)
	}
	return out
}

// section prints a heading and lines below it, or none where there are none.
func section(w io.Writer, head string, lines []string, none string) {
	fmt.Fprintln(w, head)
	if len(lines) == 0 {
		lines = []string{none}
	}
	for _, l := range lines {
		fmt.Fprintf(w, "  %s\n", plain.Line(l))
	}
}
