package doctor

import "fmt"

// State is what a check came to.
type State int

const (
	// Unknown: it could not be seen; the reason says why.
	Unknown State = iota
	// Skip: the check does not apply to this patient.
	Skip
	// Pass: it was measured and is fine.
	Pass
	// Info: worth knowing, nothing to do.
	Info
	// Warn: somebody should look; the node still counts.
	Warn
	// Fail: the node cannot be relied on.
	Fail
)

var stateNames = [...]string{"unknown", "skip", "pass", "info", "warn", "fail"}

// String gives the state as reports and metrics spell it.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(text []byte) error {
	parsed, err := ParseState(string(text))
	*s = parsed
	return err
}

// ParseState reads a state's name, as --fail-on takes it.
func ParseState(name string) (State, error) {
	for i, n := range stateNames {
		if n == name {
			return State(i), nil
		}
	}
	return Unknown, fmt.Errorf("parse state %q: it is one of unknown, skip, pass, info, warn, fail", name)
}

// states lists all of them, most urgent first, as reports order them.
func states() []State { return []State{Fail, Warn, Unknown, Info, Pass, Skip} }

// urgency orders states by how much they ask of a reader. Not having seen is
// more urgent than a remark and less than a warning.
func (s State) urgency() int {
	for i, have := range states() {
		if have == s {
			return len(states()) - i
		}
	}
	return 0
}
