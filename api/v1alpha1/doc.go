// Package v1alpha1 is what a user writes and reads: the Pool, and the
// annotations, taints and conditions that tidemill puts on Pools and Nodes.
//
// A Pool mirrors one OKE node pool. Discovery creates it with status only;
// a verb works on the pool once its part of the spec is there:
//
//	spec:
//	  nodePoolID: ocid1.nodepool.oc1...
//	  scale:  {minSize: 1, maxSize: 50}      scale may grow and shrink it
//	  cycle:  {mode: OnDemand, maxSurge: 1}  cycle may turn it over when asked
//	  repair: {mode: "On"}                   doctor may ask for replacements
//
// The verbs meet only through these objects. What one verb has to know of
// another is a key in keys.go or a field of [PoolStatus], never a call.
//
// +kubebuilder:object:generate=true
// +groupName=tidemill.dev
package v1alpha1
