package sim

// An Entry is one promise of the design (P1 to P12) or one invariant of reliability
// work (I1 to I18), what of it is checked, and where.
type Entry struct {
	ID string
	// Promise is the name under which the simulation checks it, "" if it cannot.
	Promise string
	// Elsewhere is the test that shows the rest of it: a directory of the module
	// and a function.
	Elsewhere string
	What      string
}

// Catalogue is all of them. TestCatalogue keeps it whole.
var Catalogue = []Entry{
	{"P1", keepFloor, "", "a working node is cordoned for a replacement only while desired − maxUnavailable others work"},
	{"P2", keepCeiling, "", "no size is asked for beyond desired or the pool's maximum, and the surge"},
	{"P3", keepEviction, "", "pods leave by the Eviction API alone; the model enforces the budgets"},
	{"P4", keepReplace, "", "with maxUnavailable 0 the stand-in works before the node is cordoned"},
	{"P5", keepOwnMarks, "", "no cordon without a mark, no uncordon of what was not marked as ours"},
	{"P6", keepCleanEnd, "", "at rest no mark, no cordon, no taint of a verb is left"},
	{"P7", keepEnd, "internal/sim.TestCrashes", "deaths at any moment, and one at each write of three stories: the end is what was asked for"},
	{"P8", keepDrained, "", "an instance is deleted only when its Node is cordoned, marked and empty; no resize costs a living machine"},
	{"P9", keepReason, "", "what is said has a typed reason and words, within the API's bounds"},
	{"P10", keepEnd, "", "one pool's faults do not keep the other from its end"},
	{"P11", keepBrake, "doctor.TestCommonFaultBrakesThePoolsThatHaveIt", "no repair is asked for while more of a pool are ill than may be, nor beside another one"},
	{"P12", keepBounded, "", "writes and reads of the cloud are bounded"},
	{"I1", keepFloor, "", "ready and schedulable nodes at each cordon"},
	{"I2", keepCeiling, "", "nodes at each resize; a run has no more than its desired size and the surge, whatever scaling may"},
	{"I3", keepDrained, "", "no machine is deleted while a pod that could be evicted is on it"},
	{"I4", keepEviction, "", "the model refuses what a budget does not allow"},
	{"I5", keepLeader, "internal/sim.TestTwoLeadersUnfenced", "the writer holds the Lease at each write, to Kubernetes and OCI; without the fence it is found that it does not"},
	{"I6", keepEnd, "", "at rest each pool has as many Nodes as its size"},
	{"I7", keepCleanEnd, "", "no mark, cordon or taint stays on a node that is not cycled any more"},
	{"I8", keepBounded, "", "deletes per machine, requests to the cloud per minute"},
	{"I9", keepUnmanaged, "", "nodes of no pool are never written"},
	{"I10", keepNews, "", "no cordon while the cloud has not been heard of; watches are late, stale and broken: what else is decided on old caches is caught at the write"},
	{"I11", keepEnd, "", "a version that was said to be done is on all nodes"},
	{"I12", keepEnd, "", "at rest every pod has a node, or all pools are full"},
	{"I13", "", "internal/e2e.TestSoak", "heap, goroutines, open files and metric series stay flat"},
	{"I14", keepSecret, "", "what stands in a pod's environment is in no write and no event"},
	{"I15", keepRest, "", "after the last fault the world comes to rest, and stays"},
	{"I16", "", "internal/sim.TestCrashes", "with a death at any write a story ends as it does without"},
	{"I17", keepHuman, "", "a person's cordon stays until the person takes it away; a paused pool is left alone"},
	{"I18", keepTruth, "", "every event has a reason, and a deletion that is told of is under way"},
}
