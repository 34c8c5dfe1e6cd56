package main

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world/lean"
)

// The daemon holds a cluster's objects for as long as it runs and makes little
// besides: a look at 60,000 pods allocates a few megabytes. So the collector
// may let the heap grow by a seventh instead of doubling it: it runs more often,
// and the process stays below 300 MiB beside 2,000 nodes (bench, playground/rss-2000).
const heapGrowth = 15

// A command that lives for seconds waits for the collector: its heap may grow to
// glanceHeap bytes, and beyond them by glanceGrowth percent.
const (
	glanceHeap   = 24 << 20
	glanceGrowth = 10
)

// cgroupLimits are the files that tell how much memory a container may have, of
// version 2 and version 1 of cgroups.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// fitMemory fits the garbage collector to a long-lived process and to the memory
// that its container may have. Who sets GOGC or GOMEMLIMIT knows better.
func fitMemory(log *slog.Logger, limits []string) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapGrowth)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if most := memoryLimit(limits); most > 0 {
		// Nine tenths: the collector works harder before the kernel kills.
		debug.SetMemoryLimit(most / 10 * 9)
		log.Debug("memory is limited", "bytes", most, "heap", most/10*9)
	}
}

// fitGlance fits the collector to a command that reads a whole cluster once, page
// by page: what a page leaves behind is dead at once. Letting the heap double
// before it is gone would keep it twice over at the end, when the most is held; a
// few percent of the little that is held while pages come would be collected
// hundreds of times. So the growth is set anew after each collection. Who sets
// GOGC knows better.
//
// It lasts until stop is called.
func fitGlance() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	g := &glance{before: debug.SetGCPercent(glanceGrowthAt(0))}
	g.again()
	return g.stop
}

// glance sets the growth. What tells it of a collection is that an object which
// nobody holds is found by each.
type glance struct {
	mu      sync.Mutex
	before  int
	stopped bool
}

func (g *glance) again() {
	runtime.AddCleanup(new([64]byte), (*glance).refit, g)
}

func (g *glance) refit() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.stopped {
		debug.SetGCPercent(glanceGrowthAt(live[0].Value.Uint64()))
		g.again()
	}
}

func (g *glance) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	debug.SetGCPercent(g.before)
}

// glanceGrowthAt is by how many percent a heap may grow of which so many bytes
// are alive. The runtime multiplies its least heap by it too, four megabytes: that
// one is to stay below glanceHeap as well.
func glanceGrowthAt(live uint64) int {
	live = max(live, glanceHeap/4)
	return max(glanceGrowth, int(glanceHeap*100/live)-100)
}

// memoryLimit is what the first file that names a limit says, 0 for none. Version
// 1 says "none" with a number beyond all machines.
func memoryLimit(files []string) int64 {
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && n < 1<<50 {
			return n
		}
	}
	return 0
}

// tidy gives back the memory that reading the cluster for the first time took:
// the lists that came over the wire are many times what is kept of them, and the
// runtime would hold on to their pages. Ten thousand pods that come at once are
// such a list too, which is why it does so again every few minutes; a run of the
// collector for 60,000 pods is a tenth of a second. Before it does, it has the pantry
// forget what was said by pods that are gone.
type tidy struct {
	synced func(context.Context) bool
	pods   func(context.Context) ([]*corev1.Pod, error)
	pantry *lean.Pantry
}

// tidyEvery costs a thousandth of a core.
const tidyEvery = 2 * time.Minute

// Start implements manager.Runnable.
func (t tidy) Start(ctx context.Context) error {
	if !t.synced(ctx) {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if pods, err := t.pods(ctx); err == nil { // else the next time
			t.pantry.Keep(pods)
		}
		debug.FreeOSMemory()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: those who wait
// hold the cluster's objects too.
func (t tidy) NeedLeaderElection() bool { return false }
