package main

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// liveHeap is what the last collection found alive. Of the usual figures none says
// it: what is allocated is garbage too, by as much as GOGC allows, and when the next
// collection is due depends on GOGC, which is 15 here. Whether a process leaks is
// seen in this one.
var liveHeap = regexp.MustCompile(`^/gc/heap/live:bytes$`)

// processMetrics are what a long-lived process tells of itself.
func processMetrics() []prometheus.Collector {
	return []prometheus.Collector{
		buildInfo(),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: liveHeap})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
}
