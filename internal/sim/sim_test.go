//go:debug randseednop=0
//go:debug rsa1024min=0
package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

var (
	seed       = flag.Uint64("seed", 0, "TestSeed plays this one, with its trace with -v")
	seeds      = flag.Int("seeds", 40, "how many seeds TestSeeds plays")
	from       = flag.Uint64("from", 1, "the first of them")
	same       = flag.Int("same", 1, "how many of the seeds TestDeterminism plays")
	repeats    = flag.Int("repeats", 2, "how often TestDeterminism plays each seed")
	nodes      = flag.Int("nodes", 0, "nodes at the start; 0 lets the tape choose")
	procs      = flag.Int("procs", 1, "GOMAXPROCS")
	jobs       = flag.Int("jobs", 2, "TestSeeds plays in so many processes side by side, every other one with GOMAXPROCS 2")
	ledger     = flag.String("ledger", "", "TestSeeds adds a line to this file")
	commit     = flag.String("commit", "", "what is played: goes into the ledger")
	tapeFile   = flag.String("tape", "", "TestTape plays this case")
	shrinkRuns = flag.Int("shrink", 0, "TestTape plays at most so many times to find a shorter tape")
	pods       = flag.String("pods", "", "what the pods of one app ask of where they run (habits.go); empty lets the tape choose")
	wish       = flag.String("wish", "", "what the author of each Pool wishes for (tastes.go); empty lets the tape choose")
	faultsFor  = flag.Duration("faults", 0, "how long the faults last")
)

var credentials string
var crd []byte

func TestMain(m *testing.M) {
	flag.Parse()
	os.Setenv("KUBE_FEATURE_WatchListClient", "false")
	runtime.GOMAXPROCS(*procs)
	debug.SetGCPercent(800)
	debug.SetMemoryLimit(1 << 30)
	Prepare()
	logNothing()
	dir, err := os.MkdirTemp("", "tidemill-sim")
	if err == nil {
		credentials, err = Credentials(dir)
	}
	if err == nil {
		crd, err = ReadCRD("../..")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func options(seed uint64) Options {
	return Options{Seed: seed, Nodes: *nodes, Faults: *faultsFor, Wish: *wish, Habit: *pods, Credentials: credentials, CRD: crd}
}

func TestSeed(t *testing.T) {
	if *seed == 0 {
		*seed = 1
	}
	o := options(*seed)
	if testing.Verbose() {
		o.Trace = func(s string) { fmt.Println(s) }
	}
	began := time.Now()
	r := Run(t, o)
	t.Logf("%s in %s", r, time.Since(began))
	if r.Violation != nil {
		t.Errorf("%s\n%s", r.Violation, r.Picture)
	}
}

// TestDeterminism: the same seed is the same history, to the last step, with one
// thread and with two.
func TestDeterminism(t *testing.T) {
	defer runtime.GOMAXPROCS(*procs)
	for s := *from; s < *from+uint64(min(*seeds, *same)); s++ {
		runtime.GOMAXPROCS(1)
		first := Run(t, options(s))
		for i := range *repeats - 1 {
			runtime.GOMAXPROCS(2 - i%2)
			if again := Run(t, options(s)); again.Hash != first.Hash || again.Steps != first.Steps {
				t.Errorf("seed %d: %d steps with hash %016x, then %d with %016x", s, first.Steps, first.Hash, again.Steps, again.Hash)
			}
		}
	}
}
