// Package expander is an external expander of cluster-autoscaler: of the groups
// that could grow for pods that wait, it says which should.
//
//	cluster-autoscaler ── BestOptions(groups, nodes, pods) ──► chain of strategies ──► those that are left
//	   any cloud provider                                        ▲
//	   whose group ids are node pools' OCIDs                     │
//	OCI ◄── Fleet.Observe ── each look ──► prices, sizes by zone, where machines were refused
//
// It is of use without the rest of the plugin: cluster-autoscaler's own OCI
// provider names its groups by the OCIDs of node pools, as the plugin does. What
// that provider cannot know, the looks know: what a node costs, where the next
// one will land, and that another pool of the same shape has just been told
// "out of host capacity" there.
//
// A strategy sorts nothing out for good: it keeps those that are best by its own
// measure, all of them if they are alike or if it knows nothing, and the next one
// goes on with these. What is left at the end is answered, and the client's own
// next expander, or chance, decides among it. The answer is never empty, for then
// nothing would grow.
package expander
