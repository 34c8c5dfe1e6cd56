package doctor

// Checks are the checks over the API, in the order in which they name a node:
// the first that fails is the reason of its condition, so causes stand before
// their symptoms.
func Checks() []Check {
	return []Check{
		instanceGone,    // there is no machine: nothing else can be true
		instanceStopped, // the machine is off: why the node is not Ready
		registration,    // a machine that never became a Node
		providerID,      // a Node that nobody can match to a machine
		ready,           // the kubelet's own word, or its silence
		lease,           // the kubelet's heartbeat, a second witness beside ready
		flapping,        // a node that keeps dropping out
		pressure,        // disk, memory or process IDs run out
		versionSkew,     // a kubelet that this control plane does not support
		systemPods,      // proxy, network and storage plugin: the gate of a new node
		podsStarting,    // the runtime answers and cannot create
		podsTerminating, // the runtime answers and cannot kill
		imagePulls,      // images that do not come here
		podCapacity,     // no room for another pod, however idle the node
	}
}

// HostChecks are the checks on the host itself, in the order of the report.
func HostChecks() []Check {
	return []Check{
		rootReadOnly, // a file system that the kernel has given up on
		diskSpace,    // bytes left on the root and on what the kubelet fills
		diskInodes,   // files left there
		timeSync,     // certificates and leases depend on the clock
		threads,      // tasks against the limit that is reached first
		fileHandles,  // open files of the whole host
		conntrack,    // connections that the packet filter can remember
	}
}
