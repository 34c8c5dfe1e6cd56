// Package planted asks whether the simulation would notice. It keeps bugs on the
// shelf, each a few lines of text that would make tidemill break a promise, and
// has the simulation look for every one of them.
//
//	bugs/budget-off-by-one.txt     cycle/budget.go (as it is)
//	┌──────────────────────┐       ┌───────────────────────────────────────┐
//	│ promise: floor       │       │ func (b Budget) Floor() int {         │
//	│ -- old cycle/... --  │ graft │     if planted == "budget-off-by-one" │
//	│ -- new --            ├──────►│         { return b.Floor_1() }        │
//	└──────────────────────┘       │     ...                               │
//	                               │ func (b Budget) Floor_1() int { bug } │
//	                               └───────────────────┬───────────────────┘
//	                     go test -c -overlay           │ a file in a temporary directory
//	                               ┌───────────────────▼───────────────────┐
//	                               │ one binary with all of them, of which │
//	                               │ the environment wakes one             │
//	                               └───────────────────────────────────────┘
//
// Production code carries none of it, not even behind a build tag: a bug is
// grafted onto a copy of its function, the compiler is shown the copy in place
// of the file, and the file stays as it is. A bug whose old text is not in its
// file any more, exactly once, fails a test, and so does one that does not
// compile; a bug that has gone stale finds nothing and would look like peace.
//
// A promise that fails under a bug counts only if it holds in the same history
// without the bug, and only if it is one that the bug names: noise is no find.
package planted
