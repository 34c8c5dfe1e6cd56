// Package buffer turns wishes for room into pods that do not exist.
//
//	ProvisioningRequest ─┐
//	CapacityBuffer ──────┼─► virtual pods ─► the decision ─► verdicts ─► conditions
//	Jobs, ReplicaSets ───┘   (never objects)
//
// A virtual pod waits like any other: it takes room on nodes that are there, a
// pool grows for it, and a node that it would run on is not let go. It differs
// in three ways: real pods go before it, nobody is told of it by an event, and
// its owner hears in a status condition what became of it.
//
//   - A ProvisioningRequest (autoscaling.x-k8s.io/v1) of the class
//     best-effort-atomic-scale-up is a group: all of its pods are helped, or no
//     pool grows for any. One of the class check-capacity asks only about nodes
//     that are there.
//   - A CapacityBuffer (autoscaling.x-k8s.io/v1beta1 or v1alpha1) is room that is
//     kept free, for pods like those of a template or a workload.
//   - Controllers that are about to create pods are counted as if they had.
//
// The types are read as far as they are needed here, from unstructured objects:
// the module that defines them cannot be imported, and the kinds need not be
// installed. What cannot be read gets a condition that says why, and the others
// are served.
package buffer
