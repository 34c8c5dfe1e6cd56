// Package lean takes off objects what nobody reads, before an informer keeps
// them: 60,000 pods as the API server sends them are half a gigabyte, and as the
// verbs read them a fifth of that.
//
//	watch ─► Transform ─┬─ pod on a node: what runs in it goes, how it is scheduled stays
//	                    │                 what it has in common with others is kept once
//	                    ├─ pod without a node: whole, it has yet to be placed
//	                    ├─ Node: without its images
//	                    └─ anything: without managed fields
//	                                                 └─► informer's store ─► world.Observer
//
// What the replicas of a Deployment say is the same but for their names, nodes
// and dates. After the trimming their specs are equal to the byte, and so are
// their statuses while they run well: a [Pantry] hands out one of each, which
// thousands of pods then point at. Objects of an informer are read-only already,
// see package world, so nobody can tell.
//
// What is taken off is proven to be unread: tests of this package and of the
// verbs decide on a world and on the same world made lean, and the plans are
// equal. Whoever begins to read another field of a pod that runs keeps it here
// first.
package lean
