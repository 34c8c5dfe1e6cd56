package main

import (
	"testing"
	"time"
)

// TestSightings: who renews a Lease is told by what changes, not by whose clock is
// right.
func TestSightings(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	type look struct {
		after  time.Duration // since the first look
		stands time.Duration // the renewal in the Lease, since start by its holder's clock
		held   bool
	}
	for name, looks := range map[string][]look{
		"alive, clocks alike":           {{0, 0, true}, {15 * time.Second, 14 * time.Second, true}, {30 * time.Second, 29 * time.Second, true}},
		"gone for long":                 {{0, -time.Hour, false}, {15 * time.Second, -time.Hour, false}},
		"alive, an hour behind":         {{0, -time.Hour, false}, {15 * time.Second, 15*time.Second - time.Hour, true}, {29 * time.Second, 15*time.Second - time.Hour, true}},
		"dead, an hour ahead":           {{0, time.Hour, true}, {10 * time.Second, time.Hour, true}, {15 * time.Second, time.Hour, false}},
		"dies, and its clock is behind": {{0, -time.Hour, false}, {15 * time.Second, 15*time.Second - time.Hour, true}, {45 * time.Second, 15*time.Second - time.Hour, false}},
	} {
		t.Run(name, func(t *testing.T) {
			seen := sightings{}
			for _, l := range looks {
				lease := leaseOf("other", "h_1.0.0_u", start, start.Add(l.stands))
				if held := seen.held(start.Add(l.after))(&lease); held != l.held {
					t.Errorf("after %s: held is %t", l.after, held)
				}
			}
		})
	}
	seen := sightings{}
	lease := leaseOf("other", "", start, start)
	if seen.held(start)(&lease) {
		t.Error("nobody's Lease is held")
	}
}
