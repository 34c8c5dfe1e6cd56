// Package e2e tells stories about tidemill to a whole cluster, and watches from
// outside that every promise is kept while they last.
//
//	        playground (this process)                    tidemill (its own process,
//	┌──────────────────────────────────────┐             its own service account)
//	│ kube-apiserver, scheduler, kubelets   │◄───────────────┐
//	│ okesim: OKE's REST API                │◄───────────────┤ SIGKILL at any moment
//	└───────▲───────────────▲──────────────┘                 │
//	        │ steps act     │ Watcher looks, every change     │
//	     [Story]         [Referee] ── Floor, Ceiling, PDB, replace first, no surprise delete
//
// A [Story] is a slice of [Step] values. The demo tells it on a terminal, the
// tests run it as it is: what a newcomer sees is what is tested.
//
// The Watcher does not ask tidemill how it is doing. It follows Nodes, pods and
// budgets through watches of its own and the machines in the emulated cloud by
// polling, and hands each change to the Referee. The Referee is a plain state
// machine without clock or client, so that its own tests can show it breaches
// of each promise and see it whistle.
//
// The daemon runs under the RBAC rules of manifests/, because a role that lacks
// a verb must fail here and not at a user's.
package e2e
