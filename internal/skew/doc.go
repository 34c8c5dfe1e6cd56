// Package skew measures how far the clock of a service is ahead of ours.
//
// A daemon compares times: a machine was made before a run began or after it, a pod
// has had its grace or not. Its own times are by its own clock and those of others by
// theirs, and nothing makes the two agree. Every HTTP answer says in its Date what its
// sender took for now, and we know between which of our times it was sent:
//
//	ours     ──┬─ sent ──────────────── received ─┬──►
//	theirs     └─ Date is within this, to a second ─┘
//
// So each answer bounds the difference from both sides, and the answers together bound
// it to a second or so. Where none at all would explain them, none is assumed: with
// clocks that agree nothing is corrected, and no answer is slow enough to look like a
// clock that is off. An answer that contradicts those before it says that a clock was
// set; it is believed, and they are forgotten.
package skew
