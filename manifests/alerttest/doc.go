// Package alerttest proves that the dashboards and alerts of ../monitoring mean
// something, with Prometheus' own parser and engine. It has no code of its own and
// is a module of its own, because Prometheus is heavy.
//
//	../monitoring/dashboards/*.json ─┐
//	../monitoring/alerts.yaml ───────┼─► parse: every metric and label exists (docs/metrics.md)
//	testdata/demo.txt.gz ────────────┴─► evaluate: every panel shows something
//	testdata/alerts/NAME.txt ──────────► each alert fires in one story and keeps quiet in another
//
// testdata/demo.txt.gz is what a daemon told at /metrics while the demo ran, a
// scrape every few seconds. It is taken anew with the demo running beside it:
//
//	bin/playground demo --ci --metrics-address 127.0.0.1:29181 &
//	go test -run EveryPanel -record http://127.0.0.1:29181/metrics
package alerttest
