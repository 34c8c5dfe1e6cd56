// Package sim runs the whole of tidemill in a world that one goroutine owns, and
// makes that world as hostile as its seed says.
//
//	        one process of the daemon, or two                    the world
//	┌────────────────────────────────────────────┐      ┌──────────────────────────┐
//	│ mirror  scale  cycle  doctor   the real     │ ops  │ model: an API server     │
//	│   cache, clients, leader election, OCI SDK  ├─────►│ okesim: Oracle's cloud   │
//	│              RoundTrip, Do                  │◄─────┤ kubelets, scheduler,     │
//	└────────────────────────────────────────────┘grant │ controllers, people      │
//	                      ▲                             └──────────────────────────┘
//	                      └────── the driver: which op next, when, and how it fails
//	                                        ▲
//	                              tape: one list of numbers
//
// Everything runs in a bubble of testing/synctest, so that an hour takes as long
// as what happens in it. No request answers itself: it becomes an op and waits.
// When all goroutines wait, the driver takes the next number from the tape and
// does one thing: serves one op, perhaps with a fault, hands one event to one
// watch, breaks a watch, kills a process, lets a person interfere, or lets time
// pass. Even a look into the informer cache is an op (a gate), because what a
// loop reads depends on which events came before. So one seed is one history; its
// hash says whether it was the same again.
//
// A run has two phases. First faults, while what is wanted keeps changing; the
// promises are checked at each write, against the world's truth and not against
// what the daemon believes. Then the faults stop and the world must come to rest:
// all that was asked for is done, no mark is left, and nothing is written for
// half an hour.
package sim
