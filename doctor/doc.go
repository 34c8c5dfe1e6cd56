// Package doctor examines nodes: before they are trusted, and while they work.
//
//	cluster, cloud ─► Look ─► Patients ─► Runner ─► Findings ─► Verdict ─► Node condition
//	host (rooted)  ─► Host ─┘   (checks)                          │
//	                                                              └─► Decide (brake) ─► request annotation ─► cycle
//
// A [Check] is a value: what is measured, against which limit and whose, what
// helps, and the strongest thing that may be done about it. [Checks] and
// [HostChecks] list them in order, one file each. A check looks at a [Patient]
// and says what it found; it keeps nothing, waits for nothing and decides
// nothing. The [Runner] around it bounds its time, survives its panics, and
// holds a failure back until it has stood long enough.
//
// What is read on the host lies below a root directory, which may be mounted
// elsewhere; a file that is missing because a mount is missing is Unknown, one
// that this kind of host never has is a Skip. Counters that only rise say nothing
// in one look: a [Tally] carries them to the next, and ends with the boot.
//
// Three rules come from how other node monitors went wrong.
//
//   - What heals clears at the next look. A finding is the state now, never a
//     latch: monitors that turn a log line into a lasting condition have had
//     healthy nodes deleted.
//   - What could not be seen is [Unknown], never [Pass]: missing data, missing
//     privilege, a check that hangs or panics.
//   - Whose fault it is matters more than how loud it is. A finding that a
//     user's typo can cause warns; only what speaks against the node itself
//     fails, because a failing node stops counting as available, and only what
//     the cluster dates (see [Finding.Since]) may ask for a replacement.
//
// The verdict stands on the Node as condition TidemillNodeProblem, and is the
// gate: a new node counts as available once it is False. Repair is a request by
// annotation, as a person makes one; the cycle acts on it. What stands between a
// failing node and a request, in this order:
//
//	forbidden? (marks, other controllers, people)   refusal.go
//	too new, too early?                             refusal.go
//	a common cause? the brake                       brake.go, signs.go
//	what was tried, what comes next                 ladder.go
//	who says so, how often: proof                   evidence.go, sight.go
//	too many at once, or in a day                   repair.go
//
// The brake is the part that matters most: when many nodes fail at once, or the
// cloud does not answer, or new nodes do not join, the cause is likelier a common
// one, and nothing is asked until calm has lasted.
//
// All memory of the daemon (when a failure was first seen, how often a node
// dropped out) may be lost at any time: that delays, and never decides.
package doctor
