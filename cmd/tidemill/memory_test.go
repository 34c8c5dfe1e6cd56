package main

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestMemoryFitsTheContainer(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "limit")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing := filepath.Join(t.TempDir(), "missing")
	for _, c := range []struct {
		name  string
		files []string
		want  int64
	}{
		{"version 2", []string{file("1073741824\n"), missing}, 1 << 30},
		{"version 2 without a limit", []string{file("max\n"), missing}, 0},
		{"version 1", []string{missing, file("536870912\n")}, 1 << 29},
		{"version 1 without a limit", []string{missing, file("9223372036854771712\n")}, 0},
		{"no cgroups", []string{missing}, 0},
	} {
		if got := memoryLimit(c.files); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "")
	fitMemory(slog.New(slog.DiscardHandler), []string{file("1000000000")})
	if got := debug.SetMemoryLimit(-1); got != 900_000_000 {
		t.Errorf("the heap may have %d bytes, want nine tenths of the container's", got)
	}
	if got := debug.SetGCPercent(100); got != heapGrowth {
		t.Errorf("the heap grows by %d %%, want %d", got, heapGrowth)
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	t.Setenv("GOGC", "100")
	debug.SetMemoryLimit(1 << 30)
	fitMemory(slog.New(slog.DiscardHandler), []string{file("1000000000")})
	if got := debug.SetMemoryLimit(-1); got != 1<<30 {
		t.Errorf("a limit that was set by hand became %d", got)
	}
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("a growth that was set by hand became %d", got)
	}
}

// A command's collector follows its heap: a small one gets room, a large one is
// kept tight.
func TestGlanceFollowsTheHeap(t *testing.T) {
	for live, want := range map[uint64]int{0: 300, 1 << 20: 300, 6 << 20: 300, 8 << 20: 200, 12 << 20: 100, 20 << 20: 20, 24 << 20: 10, 1 << 30: 10} {
		if got := glanceGrowthAt(live); got != want {
			t.Errorf("%d bytes may grow by %d %%, want %d", live, got, want)
		}
	}
	growth := func() int {
		now := debug.SetGCPercent(100)
		debug.SetGCPercent(now)
		return now
	}
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	t.Setenv("GOGC", "77")
	debug.SetGCPercent(77)
	fitGlance()()
	if got := growth(); got != 77 {
		t.Errorf("a growth that was set by hand became %d", got)
	}
	t.Setenv("GOGC", "")
	stop := fitGlance()
	held := make([]byte, 256<<20)
	for end := time.Now().Add(time.Minute); growth() != glanceGrowth; runtime.GC() {
		if time.Now().After(end) {
			t.Fatalf("with %d MiB alive the heap may grow by %d %%, want %d", len(held)>>20, growth(), glanceGrowth)
		}
	}
	runtime.KeepAlive(held)
	stop()
	for range 3 {
		runtime.GC()
	}
	if got := growth(); got != 77 {
		t.Errorf("after its end the heap may grow by %d %%, want 77 as before", got)
	}
}

func TestProfilesAreForThisMachineOnly(t *testing.T) {
	for _, address := range []string{":6060", "0.0.0.0:6060", "10.0.0.7:6060", "[::]:6060", "example.com:6060", "6060"} {
		err := serveDebug(t.Context(), address, slog.New(slog.DiscardHandler))
		var f *failure
		if !errors.As(err, &f) || f.code != exitUsage {
			t.Errorf("--debug-address %s: %v, want a usage error", address, err)
		}
	}
	var said strings.Builder
	if err := serveDebug(t.Context(), "127.0.0.1:0", slog.New(slog.NewTextHandler(&said, nil))); err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(said.String()), "address=")
	r, err := http.Get("http://" + address + "/debug/pprof/goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(text), "TestProfilesAreForThisMachineOnly") {
		t.Errorf("profile: %d %v %.100s", r.StatusCode, err, text)
	}
}
