package main

import (
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestLiveHeapIsTold: what a collection finds alive follows what is held, and not
// what was thrown away since.
func TestLiveHeapIsTold(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(processMetrics()...)
	told := func() float64 {
		t.Helper()
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "go_gc_heap_live_bytes" {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatal("go_gc_heap_live_bytes is not among the metrics")
		return 0
	}
	runtime.GC()
	runtime.GC() // pools of other tests are let go by the second one
	before := told()
	held := make([]byte, 64<<20)
	runtime.GC()
	if grown := told() - before; grown < 32<<20 {
		t.Errorf("64 MiB are held, and what is told grew by %.1f MiB", grown/(1<<20))
	}
	runtime.KeepAlive(held)
	runtime.GC()
	if left := told() - before; left > 32<<20 {
		t.Errorf("nothing is held any more, and what is told is still %.1f MiB more", left/(1<<20))
	}
}
