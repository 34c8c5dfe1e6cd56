package doctor

// Checks are the checks over the API, in the order in which they name a node:
// the first that fails is the reason of its condition, so causes stand before
// their symptoms.
func Checks() []Check {
	checks := []Check{
		instanceGone,      // there is no machine: nothing else can be true
		instanceStopped,   // the machine is off: why the node is not Ready
		registration,      // a machine that never became a Node
		console,           // what it said itself, if anybody asked
		providerID,        // a Node that nobody can match to a machine
		ready,             // the kubelet's own word, or its silence
		lease,             // the kubelet's heartbeat, a second witness beside ready
		kubeletHealth,     // the kubelet itself, when it is asked
		kubeletPLEG,       // whether it keeps up
		kubeletRuntime,    // whether the runtime does
		kubeletRotation,   // whether it will still be known
		kubeletRestarts,   // whether it stays up
		flapping,          // a node that keeps dropping out
		pressure,          // disk, memory or process IDs run out
		versionSkew,       // a kubelet that this control plane does not support
		systemPods,        // proxy, network and storage plugin: the gate of a new node
		podsStarting,      // the runtime answers and cannot create
		podsTerminating,   // the runtime answers and cannot kill
		imagePulls,        // images that do not come here
		podCapacity,       // no room for another pod, however idle the node
		podAddresses,      // nor for its address
		podNetwork,        // nor one of the VCN
		subnetAddresses,   // nor any for another node of the pool
		attachments,       // volumes that do not come, or stay
		evictions,         // pods that the node could not keep
		gpuCount,          // GPUs that are paid for and cannot be used
		promised,          // a machine that is smaller than scaling believes
		nodeAddress,       // a node that the control plane cannot call
		clockAhead,        // a clock that makes tokens invalid
		otherMonitors,     // what other monitors found
		taintsLeft,        // what other controllers left behind
		cordoned,          // what people left behind
		okeSystem,         // an add-on that is missing altogether
		maintenance,       // what the cloud will do to it
		preemption,        // or does
		kubeletConfig,     // a kubelet that is told something else than its siblings
		poolDrift,         // a node that is unlike its siblings
		release,           // a node that is not what a new one would be
		runtimeAdvisories, // a runtime with a known hole
		age,               // a node that is older than its fixes
	}
	for i := range checks { // who was to be asked has been asked before, and the patient brings the answer
		checks[i].Swift = true
	}
	return checks
}

// HostChecks are the checks on the host itself, in the order of the report:
// what stops a node first, then what wears it down, then its hardware.
func HostChecks() []Check {
	checks := []Check{
		rootReadOnly,        // a file system that the kernel has given up on
		volumesReadOnly,     // the same for volumes of pods
		diskSpace,           // bytes left on the root and on what the kubelet fills
		diskInodes,          // files left there
		rootGrown,           // a boot volume that is larger than its file system
		fsErrors,            // a file system that has found itself damaged
		raid,                // local disks in an array
		iscsiSessions,       // block volumes over the network
		timeSync,            // certificates and leases depend on the clock
		clockDrift,          // how wrong it runs by itself
		clockSource,         // how slow it is to read
		kubeletCertificates, // renewed in time, or the node falls silent
		threads,             // tasks against the limit that is reached first
		pidCgroups,          // the same in the control groups of the system
		fileHandles,         // open files of the whole host
		inotify,             // watches on files
		memory,              // what a new program could get
		swap,                // what it would live on otherwise
		oomKills,            // what was killed for memory
		stallMemory,         // time lost to reclaiming it
		stallIO,             // time lost to the disk
		stallCPU,            // time lost to other tasks
		load,                // tasks that run or wait
		hungTasks,           // tasks blocked in the kernel, as it counts
		uninterruptible,     // the same as two looks saw it
		zombies,             // processes whose parents hang
		kernelTaint,         // an oops or lockup since boot
		kernelPanics,        // the end of an earlier boot
		kernelModules,       // an update that took the running kernel away
		rebootRequired,      // an update that waits
		cgroups,             // what the kubelet builds on
		cloudInit,           // the scripts of the first boot
		defaultRoute,        // a way out
		ipForwarding,        // a way for pods
		mtu,                 // packets of pods that fit the way
		ports,               // ports for new connections
		packetFilter,        // one set of rules, not two
		conntrack,           // connections that the packet filter can remember
		conntrackDrops,      // those that it could not
		nicCarrier,          // links of network cards
		nicFlaps,            // links that come and go
		nicErrors,           // packets that arrive damaged
		rdmaLink,            // links of the cluster network
		rdmaFlaps,           // those that come and go
		pcieErrors,          // transactions that cards lost
		pcieCorrected,       // links that are about to
		gpus,                // GPUs that the driver sees
		nvme,                // local disks that the kernel gave up
		memoryErrors,        // memory that lost data
		memoryCorrected,     // memory that is about to
		cpuThrottled,        // CPUs that are too hot
	}
	return append(checks, visitChecks()...)
}

// visitChecks are those of the host that need more than its files: a way out, the
// kernel's log, the runtime's socket, or a script of Oracle's.
func visitChecks() []Check {
	return []Check{
		metadataService, // what OCI's agents and new nodes live on
		registryReach,   // where OKE's own images come from
		nameServers,     // each by itself
		apiReach,        // the way of the kubelet
		kubeProxy,       // the way of Services
		timeOffset,      // how wrong the clock is, by somebody else's
		runtimeStatus,   // what starts containers
		runtimeCreates,  // and whether it does
		oracleDoctor,    // what Oracle's own script says
		kernelDisk,      // what the kernel has said of disks and file systems
		kernelLockups,   // of CPUs that were stuck
		kernelHung,      // of tasks that hang
		kernelOOM,       // of whom it killed for memory, and why
		kernelXid,       // of GPUs
		kernelHardware,  // of broken hardware
		kernelNetwork,   // of tables that overflowed
		kernelNFS,       // of file servers
		kernelForks,     // of control groups that are full
	}
}
