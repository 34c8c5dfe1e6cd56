// Package repair is a simulator of node repair: fleets with scripted faults on a
// virtual clock, under tidemill's own policy code and under the published
// policies of others, side by side.
//
//	scenario ─► fleet (what is true) ─► signals (what is seen) ─► policy ─► reboot │ boot volume │ replace
//	                 ▲                                                                │
//	                 └──────────────── a minute later ◄───────────────────────────────┘
//
// A policy sees what a repairer in a cluster sees: conditions of Nodes and how
// long they have stood, and which machines have not joined. The simulator knows
// what is true. A machine that is thrown away, or whose boot volume is, while it
// was healthy counts as destroyed, and so does one whose successor could only
// fail as it did: the fault was not in the machine.
//
// tidemill is not modelled: doctor.Judge and doctor.Decide, the very code of the
// daemon, look at a world.Snapshot of the fleet and what they ask for is done.
// The others are modelled by their published numbers (peers.go, each with its
// source), with the same time for every drain, boot and launch; where a number
// is not published an assumption stands in its place and says so.
package repair
