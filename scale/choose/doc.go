// Package choose picks which pool grows.
//
//	                                   ┌ priority ┐ ┌ least-waste ┐
//	pools ─► what each could do ─► []Option ─► [0 2 5] ─► [2 5] ─► tie-break ─► 2
//	pools ─► kinds ─┐
//	                ├─► Mix: how many pods of each class to offer to each pool, for least money
//	pods ─► classes ┘
//
// There are two ways to choose. An [Expander] compares options: each is one
// pool with the nodes it would get and the pods these would help. Expanders
// have the names that users of cluster-autoscaler know, and are chained: what
// the first leaves equal the next decides. They are short-sighted by nature: an
// option is good or bad alone, whatever the pods it leaves will then need.
//
// The default looks at the whole plan instead. [Mix] takes all classes of pods
// and all kinds of nodes at once and spreads the pods over the pools so that the
// sum of the prices is small; the mix is then only a proposal, since affinity
// and spread are the scheduler's to judge and no part of the arithmetic.
//
// Everything here is pure and knows no cluster: names, numbers and prices in,
// numbers out, the same for the same input.
package choose
