// Package house holds the tests that keep the house in order: which room may
// open a door to which, that every room says what it is for, and that nothing
// outgrows its size. It has no code of its own.
//
//	cmd ─► scale  cycle  doctor ─► cloudprovider  api  internal/world  internal/kube
//	       (never each other)
//
// The rules are lists in rules_test.go. Whoever wants another rule changes the
// list, and says why in docs/decisions.
package house
