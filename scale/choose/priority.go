package choose

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"sigs.k8s.io/yaml"
)

// PriorityConfigMap and PrioritiesKey are where cluster-autoscaler's priority
// expander keeps its rules: in the ConfigMap of this name, under this key.
const (
	PriorityConfigMap = "cluster-autoscaler-priority-expander"
	PrioritiesKey     = "priorities"
)

// Bounds of a priorities text: a person writes some lines. What is larger is
// an accident and would cost every look.
const (
	maxPriorities = 64 << 10 // bytes
	maxPatterns   = 1000
)

// Priorities are regular expressions for names of pools by priority. The zero
// value knows none: then all pools are equal.
type Priorities struct {
	rules []rule // highest first
}

type rule struct {
	priority int
	patterns []*regexp.Regexp
}

// ParsePriorities reads the ConfigMap's text, cluster-autoscaler's format:
//
//	10:
//	- .*spot.*
//	50:
//	- .*-arm-.*
//
// A number is a priority, higher is better; a pool has the highest one of which
// a pattern matches part of its name. Everything must be right for anything to
// hold: half a list would send growth where its author did not want it.
func ParsePriorities(text string) (Priorities, error) {
	if len(text) > maxPriorities {
		return Priorities{}, fmt.Errorf("read priorities: %d bytes, %d at most", len(text), maxPriorities)
	}
	var raw map[string][]string
	if err := yaml.UnmarshalStrict([]byte(text), &raw); err != nil {
		return Priorities{}, fmt.Errorf("read priorities: %w", err)
	}
	if len(raw) == 0 {
		return Priorities{}, fmt.Errorf("read priorities: there are none")
	}
	var out Priorities
	total := 0
	for key, patterns := range raw {
		r, err := parseRule(key, patterns)
		if err != nil {
			return Priorities{}, err
		}
		if total += len(r.patterns); total > maxPatterns {
			return Priorities{}, fmt.Errorf("read priorities: more than %d patterns", maxPatterns)
		}
		out.rules = append(out.rules, r)
	}
	slices.SortFunc(out.rules, func(a, b rule) int { return b.priority - a.priority })
	for i := 1; i < len(out.rules); i++ {
		if out.rules[i].priority == out.rules[i-1].priority {
			return Priorities{}, fmt.Errorf("read priorities: %d stands there twice", out.rules[i].priority)
		}
	}
	return out, nil
}

func parseRule(key string, patterns []string) (rule, error) {
	n, err := strconv.ParseInt(key, 10, 32)
	if err != nil {
		return rule{}, fmt.Errorf("read priorities: %q is not a number", key)
	}
	r := rule{priority: int(n)}
	for _, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return rule{}, fmt.Errorf("read priorities: priority %s: %w", key, err)
		}
		r.patterns = append(r.patterns, re)
	}
	return r, nil
}

// Of is a pool's priority; ok is false when no pattern matches its name.
func (p Priorities) Of(names ...string) (priority int, ok bool) {
	for _, r := range p.rules {
		for _, re := range r.patterns {
			if slices.ContainsFunc(names, re.MatchString) {
				return r.priority, true
			}
		}
	}
	return 0, false
}

// Empty is whether there are no rules.
func (p Priorities) Empty() bool { return len(p.rules) == 0 }

// priority takes the pools with the highest priority. A pool that no pattern
// matches is not taken while another is; when none matches all are equal.
type priority struct{ rules func() Priorities }

func (priority) String() string { return "priority" }

func (e priority) Best(o []Option, c []int) []int {
	var rules Priorities
	if e.rules != nil {
		rules = e.rules()
	}
	best, found := 0, false
	of := make([]int, len(c))
	has := make([]bool, len(c))
	for k, i := range c {
		of[k], has[k] = rules.Of(o[i].names()...)
		if has[k] && (!found || of[k] > best) {
			best, found = of[k], true
		}
	}
	if !found {
		return slices.Clone(c)
	}
	var out []int
	for k, i := range c {
		if has[k] && of[k] == best {
			out = append(out, i)
		}
	}
	return out
}
