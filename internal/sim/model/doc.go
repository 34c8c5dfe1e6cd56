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
// published schemas and over the schema of the product's own CRD, strategic and JSON
// patches are the same libraries', what a custom resource may say is judged by the
// API server's own validation. The rest (409 on an old resourceVersion, 404, 410
// after compaction, 429 from a budget, generation, grace, finalizers, status as a
// subresource, lists in parts) is written here, and internal/playground's
// TestModelIsFaithful plays random traces to both and compares every answer.
//
// Left out: validation and defaults of published kinds, admission but for the taint
// of a new Node, field selectors other than name, namespace and spec.nodeName.
package model
