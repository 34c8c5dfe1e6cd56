// Package externalgrpc serves the contract of cloudprovider to the stock
// cluster-autoscaler, as its cloud provider "externalgrpc".
//
//	OCI ◄── Fleet.Observe ── the plugin's own clock ──► view (in memory, replaced whole)
//	 ▲                                                    │
//	 │                                                    ▼
//	 └── Fleet.Resize, Delete ◄── 3 calls that write    12 calls that read ◄── cluster-autoscaler
//
// A loop of cluster-autoscaler makes thousands of calls one after the other, and
// one that fails may end the loop for every group. So a call that reads never
// leaves memory: it is answered from the last good [view], however the cloud is.
// A call that writes goes to the cloud and amends the view with what it did, so
// that the next read knows of it before the next look does.
//
// What clients of different ages need to hear is in package wire; what a client
// is not to be told, because it would break there, is said where it is left out.
// Only this package imports gRPC.
package externalgrpc
