package doctor

import "regexp"

var kernelNetwork = kernelSign{
	id: "kernel-network", title: "the kernel's network tables do not overflow", reason: "NetworkTables",
	limits:   Limits{Warn: 1, Fail: 100, Source: logSource + "; each line stands for many packets, since the kernel limits their rate"},
	remedy:   "conntrack: raise net.netfilter.nf_conntrack_max; neighbours: raise net.ipv4.neigh.default.gc_thresh3; unregister_netdevice: reboot, and update the kernel",
	literals: []string{"table full", "table overflow", "unregister_netdevice"},
	line:     regexp.MustCompile(`nf_conntrack: .*table full, dropping packet|neighbou?r: \w+: neighbor table overflow|unregister_netdevice: waiting for \S+ to become free`),
}.check()

// A server that answers again takes its silence back: the pair is a state.
var kernelNFS = kernelSign{
	id: "kernel-nfs", title: "the file servers answer", reason: "FileServerSilent",
	limits:   Limits{Warn: 1, Source: logSource + ", until the kernel says that the server is OK. Never the node's fault alone, so it never fails"},
	remedy:   "whatever touches the mount hangs until the server answers: look at the file system service and at security lists (ports 111, 2048 to 2050)",
	literals: []string{"nfs: server"},
	line:     regexp.MustCompile(`^nfs: server (\S+) not responding`),
	cure:     regexp.MustCompile(`^nfs: server (\S+) OK`),
}.check()
