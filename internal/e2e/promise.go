package e2e

import (
	"fmt"
	"time"
)

// Promise is one of tidemill's promises that can be watched from outside.
type Promise int

const (
	// PromiseUnknown is none.
	PromiseUnknown Promise = iota
	// Floor: tidemill never brings available below desired − maxUnavailable, in a
	// pool, nor in a zone of it where it need not.
	Floor
	// Ceiling: machines, launching and terminating ones included, never exceed
	// desired + maxSurge in a run, nor the largest of size and maxSize outside.
	Ceiling
	// PDB: no eviction brings a guarded workload below its minimum.
	PDB
	// ReplaceFirst: with maxUnavailable 0 no node of a run is cordoned before a
	// new one that has passed its checks stands in for it.
	ReplaceFirst
	// NoSurpriseDelete: a machine goes, or boots anew, only when its Node was
	// cordoned and empty, or when it never became a Node.
	NoSurpriseDelete
	// CleanEnd: nothing of tidemill is left on a node when it is done.
	CleanEnd
)

var promiseNames = [...]string{"unknown promise", "floor", "ceiling", "PDB", "replace first", "no surprise delete", "clean end"}

// String gives the promise's name.
func (p Promise) String() string {
	if p < 0 || int(p) >= len(promiseNames) {
		return promiseNames[0]
	}
	return promiseNames[p]
}

// Violation is a broken promise: when, and with which numbers.
type Violation struct {
	At      time.Time
	Promise Promise
	Text    string
}

// String is one line for people.
func (v Violation) String() string {
	return fmt.Sprintf("%s %s: %s", v.At.Format("15:04:05.000"), v.Promise, v.Text)
}

// Change is one line of the record: something that was different from before.
type Change struct {
	At   time.Time
	Text string
}

// String is one line of the record.
func (c Change) String() string { return c.At.Format("15:04:05.000") + " " + c.Text }
