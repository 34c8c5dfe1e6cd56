package expander

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"sigs.k8s.io/yaml"
)

// The ConfigMap of cluster-autoscaler's own priority expander, and its key.
const (
	PriorityConfigMap = "cluster-autoscaler-priority-expander"
	PrioritiesKey     = "priorities"
)

// Priorities are patterns by number, the highest number first. The zero value
// has none: then no group is before another.
type Priorities struct{ levels []level }

type level struct {
	number   int
	patterns []*regexp.Regexp
}

// mostPatterns and mostBytes bound what a person may write by hand.
const (
	mostPatterns = 1000
	mostBytes    = 64 << 10
)

// ParsePriorities reads the ConfigMap's text: under each number a list of
// regular expressions. One that cannot be read makes all of it void: half a list
// would make groups grow that its author did not mean.
func ParsePriorities(text string) (Priorities, error) {
	if len(text) > mostBytes {
		return Priorities{}, fmt.Errorf("parse priorities: %d bytes, at most %d", len(text), mostBytes)
	}
	var raw map[string][]string
	if err := yaml.UnmarshalStrict([]byte(text), &raw); err != nil {
		return Priorities{}, fmt.Errorf("parse priorities: %w", err)
	}
	var p Priorities
	count := 0
	for key, patterns := range raw {
		number, err := strconv.Atoi(key)
		if err != nil {
			return Priorities{}, fmt.Errorf("parse priorities: %q is not a number", key)
		}
		l := level{number: number}
		for _, pattern := range patterns {
			re, err := regexp.Compile(pattern)
			if err != nil {
				return Priorities{}, fmt.Errorf("parse priorities: %d: %w", number, err)
			}
			l.patterns = append(l.patterns, re)
		}
		if count += len(patterns); count > mostPatterns {
			return Priorities{}, fmt.Errorf("parse priorities: more than %d patterns", mostPatterns)
		}
		p.levels = append(p.levels, l)
	}
	slices.SortFunc(p.levels, func(a, b level) int { return b.number - a.number })
	return p, nil
}

// of is the highest number with a pattern for one of the names: a node pool's
// OCID says nothing to a person, so that its name counts as well.
func (p Priorities) of(names ...string) (int, bool) {
	for _, l := range p.levels {
		for _, re := range l.patterns {
			for _, name := range names {
				if name != "" && re.MatchString(name) {
					return l.number, true
				}
			}
		}
	}
	return 0, false
}
