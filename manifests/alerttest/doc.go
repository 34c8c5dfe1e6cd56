// Package alerttest proves that the dashboards and alerts of ../monitoring mean
// something, with Prometheus' own parser and engine. It has no code of its own and
// is a module of its own, because Prometheus is heavy.
//
//	../monitoring/dashboards/*.json ─┐
//	../monitoring/alerts.yaml ───────┼─► parse: every metric and label exists (docs/metrics.md)
//	testdata/demo.txt.gz ────────────┴─► evaluate: every panel shows something
//	testdata/alerts/NAME.txt ──────────► each alert fires in one story and keeps quiet in another
//
// testdata/demo.txt.gz is what a daemon told at /metrics while `make demo` ran, a
// scrape every few seconds. `make observe` runs the demo again with a real Prometheus
// beside it, asks that one for all panels, and writes the record anew.
package alerttest
