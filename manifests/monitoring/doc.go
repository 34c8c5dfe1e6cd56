// Package monitoring is what a person looks at: dashboards for Grafana and alerts
// for Prometheus, said as Go values and written as the files that a cluster takes.
//
//	fleet.go scale.go cycle.go doctor.go cloud.go     a dashboard each: panels in order
//	alerts.go                                         what wakes somebody, and why
//	      │
//	      ▼  make generate
//	dashboards/*.json   alerts.yaml                   beside this file, for kustomize
//	../chart/files/...                                the same, for helm
//
// A panel is a question in words, a query and a unit; where it stands on the page
// is arithmetic. An alert names the reason in a label, says in a sentence what it
// means, and links to its paragraph of docs/runbooks.md, which says what to do.
//
// Whether the queries mean anything is proved in ../alerttest, by Prometheus' own
// parser and engine, on what a daemon told while the demo ran.
package monitoring
