// Package model is a Kubernetes API server reduced to what a client can tell:
// objects with versions, a history that watches read, and the refusals.
//
//	Request ─► kind? ─► get, list ────────────────────────────► Response
//	               └──► create, update, patch, apply, delete,
//	                    evict ─► checks (version, UID, PDB) ─► commit ─► history ─► Stream ─► events
//
// It has no socket, no lock, no goroutine and no clock of its own: whoever owns
// it calls [Server.Serve] and decides when each [Stream] hands out its next
// event. That is what lets a simulation put a whole control plane, late and lossy as
// it pleases, into one goroutine with one order of things.
//
// What it takes from the real one is borrowed, not imitated, where imitation
// would be a guess: server-side apply is apimachinery's field manager over the
// published schemas and over the schema of the product's own CRD; merge patches
// are the same library's. The rest (409 on an old resourceVersion, 404, 410 after
// compaction, 429 from a budget, generation, deletionTimestamp and finalizers,
// status as a subresource) is written here and compared with a real API server
// by a test that plays the same trace to both.
//
// Left out: admission beyond a few defaults, validation, protobuf, field
// selectors other than name, namespace and spec.nodeName, strategic and JSON
// patches, resumable lists.
package model
