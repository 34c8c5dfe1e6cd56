// Package oke is the contract of cloudprovider on Oracle Kubernetes Engine,
// through Oracle's own SDK.
//
//	Pools ──────► ListNodePools (all pages) ──────────────┐
//	Instances ──► GetNodePool, one for each pool ─────────┤
//	              ListInstances, a minute, for all pools ─┼─► turnstile ─► reads: tried again on 429, 5xx, a broken line
//	              work requests that failed, once each ───┘       ▲
//	                                                              └─ a 429 shuts it for all calls of the service
//
//	Resize ─┐   ┌──────────────── look: GetNodePool, etag ◄───────────────┐
//	Delete ─┼─► │ compare: done already? ──yes──► nil                     │ 412, 5xx, no answer
//	Release ┘   │          not what the caller saw? ──yes──► ErrConflict  │
//	            └─► write: PUT or DELETE with if-match ───────────────────┘
//	                       └─ 202 ─► nil
//
// Why it does not use what the SDK brings: the SDK's default policy repeats a
// 409 for a minute and a half and then hides it behind a deadline error, its
// circuit breaker counts that 409 as an outage and closes the way for healthy
// calls too, and neither UpdateNodePool nor DeleteNode takes a retry token, so
// that a repeated DeleteNode with isDecrementSize may shrink the pool twice.
// Here each call has one policy (retry.go), the breaker is off, and a write
// whose answer was lost is settled by looking (write.go): the etag of the look
// that compared goes along, so that a change is made once or not at all.
//
// A launch that fails is no error of any call on OKE. The size is accepted, and
// later the pool lists an entry with a nodeError and without an instance OCID.
// Such entries are State Failed with a placeholder ID (instances.go) and go when
// the size is lowered, which is the only way to be rid of them. Where the list does
// not say why, or lacks the entry, the failed work request does (failures.go).
//
// OKE goes on calling a node ACTIVE whose machine somebody has stopped or
// terminated in Compute. Compute's own list corrects it (inventory.go).
//
// What a new node will be is put together from four sources, of which the API is
// one: the pool and its shape, what OKE's kubelets are known to reserve, what
// metadata and cloud-init tell them, and the user's tags (template.go). What was
// there and could not be understood is a warning in the pool's Health and changes
// nothing. Prices are a table (pricetable.go) under the user's own list.
//
// Two operations have no etag to compare and a retry token instead: a restart and
// a new boot volume (inplace.go). OKE's own cycling is a PUT like any other.
//
// Who the driver is: a user by key or session, the machine, the pod, or a resource
// of OCI (auth.go). A refusal is explained by what can be known on this side: the
// clock, the kind of an OCID, the IAM statement that the operation takes
// (explain.go).
//
// This package alone imports Oracle's SDK.
package oke
