// Package playground is a whole OKE cluster on one machine, in one process: the
// real control plane of Kubernetes, nodes without machines, and an Oracle cloud
// ([okesim]) that makes and unmakes them. It starts in about three seconds and
// takes about 340 MB, so that a newcomer can watch a pool turn over and a test
// can tell the same story.
//
//	OCI clients ──HTTP──► okesim ──events──► joiner ──► Node objects ──┐
//	                      OKE, Compute       (kubelet registration     │
//	                            │             and OCI's CCM)           ▼
//	                            └──► evictor ──► cordon, Evictions
//	kubectl, tidemill ──TLS──► kube-apiserver ──► etcd         kwok: leases, conditions,
//	                             ▲  RBAC, CRDs, admission       pods run, end, obey faults
//	                             │
//	             kube-scheduler, 16 controllers
//
// What is real: etcd, kube-apiserver with Node and RBAC authorization and the
// default admission plugins, kube-scheduler, and the controllers of the list in
// controllers.go, all of the version that go.mod names and unchanged. A pod that
// does not fit, an eviction that a budget refuses with 429, an object that CEL
// validation turns down: these are Kubernetes' own answers.
//
// What is not: machines, containers and the network. kwok plays the kubelets
// from stages/*.yaml. Pods are Running and Ready half a second after they are
// bound; they take their whole grace to stop, like a program that ignores
// SIGTERM, unless the annotation playground.tidemill.dev/stops-in-seconds says
// sooner; they end with success after playground.tidemill.dev/completes-in (a
// duration) and never otherwise. Volumes are not provisioned, no pod is evicted
// under pressure, there are no logs and no exec. Nodes have the names, labels,
// taints, provider IDs and allocatable of OKE, also where these are a trap: the
// name is an IP and not the instance, the zone lacks the tenancy's prefix,
// memory is less than the shape says.
//
// # Versions
//
// kube-apiserver is v1.36.3 and says so at /version. OKE's API states the same
// version for the control plane, and pools begin at v1.34.1: within the three
// minors that a kubelet may be older, with a step up left. The kubelets' version
// is what the pool says; there is no kubelet to contradict it.
//
// # What it costs to build
//
// The cold build is what a newcomer waits for, so the imports were chosen by
// count (packages by `go list -deps`, standard library included):
//
//	etcd embedded and kube-apiserver                      2117
//	+ the 16 controllers as packages of their own         2409
//	+ the scheduler as a package                          2409   controllers bring it
//	  (instead: cmd/kube-scheduler/app                    2415)
//	+ kwok's controllers                                  2457
//	  (instead of the 16: cmd/kube-controller-manager/app 2546)
//
// Five and a half minutes on two busy cores, five seconds when nothing of
// Kubernetes changed. kube-apiserver is what costs; the 89 packages that the
// whole kube-controller-manager would add are volume plugins and cloud code, and
// it would start controllers that only burn time here.
//
// # Outages
//
// [Cluster.Outage] shuts the API server's door for everybody, kubelets, scheduler
// and controllers included, and opens it again. [Cluster.RestartAPI] ends the
// server for good and starts another, in about six seconds. A [Door] is a piece
// of network for one client that can be cut, silent or slow; with
// Options.EtcdDoor the API server's own way to etcd has one.
//
// # kwok's limits
//
// kwok is used as a library, one instance for all nodes. Three things it does
// not do are done here: conditions that know pressure and keep their transition
// time (status.go), pods that become ready again after their node did
// (readiness.go), and registration (joiner.go). A node's kubelet is stopped by
// taking a label away; kwok's other selector, by annotation, does not notice an
// annotation that goes. Some of its goroutines wait on channels without looking
// at their context and outlive [Cluster.Stop]; they hold no memory of weight.
//
// # Several clusters
//
// Every port is free-chosen and every file is in the cluster's directory, so
// clusters run side by side, as processes and also in one process (the tests
// do). Those in one process share their log lines: klog has one output.
package playground
