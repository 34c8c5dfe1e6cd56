package limit

import (
	"math"
	"strings"
	"testing"
)

// A limit that is accepted is two finite numbers in order; what is refused says
// what was read.
func FuzzRange(f *testing.F) {
	for _, seed := range []string{"", "0:320", "5:1", "-1:2", "1e308:1e309", "NaN:Inf", "0x1p-2:7", "1:2:3", ":", "nvidia.com/gpu:0:16", "１:２", "0:1_000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		switch {
		case err != nil:
			if r.Min != nil || r.Max != nil {
				t.Errorf("%q is refused and limits: %v", text, err)
			}
		case text == "":
			if r.Min != nil || r.Max != nil {
				t.Errorf("no text is a limit")
			}
		case !(0 <= *r.Min && *r.Min <= *r.Max) || math.IsInf(*r.Max, 0):
			t.Errorf("%q is %v:%v", text, *r.Min, *r.Max)
		}
		all, err := ParseGPUs([]string{text})
		if name, _, _ := strings.Cut(text, ":"); err == nil && (len(all) != 1 || name == "") {
			t.Errorf("%q limits %v", text, all)
		}
	})
}
