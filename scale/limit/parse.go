package limit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseRange reads cluster-autoscaler's "min:max", such as "0:320", both
// numbers 0 or more. "" is no limit.
func ParseRange(text string) (Range, error) {
	if text == "" {
		return Range{}, nil
	}
	lo, hi, ok := strings.Cut(text, ":")
	if !ok {
		return Range{}, fmt.Errorf("read limit %q: it is not min:max", text)
	}
	low, err := number(lo)
	if err != nil {
		return Range{}, fmt.Errorf("read limit %q: minimum: %w", text, err)
	}
	high, err := number(hi)
	if err != nil {
		return Range{}, fmt.Errorf("read limit %q: maximum: %w", text, err)
	}
	if low > high {
		return Range{}, fmt.Errorf("read limit %q: the minimum is above the maximum", text)
	}
	return Range{Min: &low, Max: &high}, nil
}

func number(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a number of 0 or more", text)
	}
	return v, nil
}

// ParseGPUs reads limits on accelerators, each "name:min:max" where name is the
// resource's, such as "nvidia.com/gpu:0:16".
func ParseGPUs(texts []string) (map[string]Range, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	out := map[string]Range{}
	for _, text := range texts {
		name, bounds, ok := strings.Cut(text, ":")
		if !ok || name == "" {
			return nil, fmt.Errorf("read limit %q: it is not name:min:max", text)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("read limit %q: %s stands there twice", text, name)
		}
		r, err := ParseRange(bounds)
		if err != nil {
			return nil, err
		}
		out[name] = r
	}
	return out, nil
}

// AtMost is a range with a maximum alone.
func AtMost(v float64) Range { return Range{Max: &v} }

// Times is the range in another unit.
func (r Range) Times(unit float64) Range {
	scale := func(v *float64) *float64 {
		if v == nil {
			return nil
		}
		w := *v * unit
		return &w
	}
	return Range{scale(r.Min), scale(r.Max)}
}
