package sim

import (
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"

	"k8s.io/klog/v2"

	"github.com/tidemill/tidemill/internal/kube"
)

// newScheme is made once: it is never changed, and takes long.
var newScheme = sync.OnceValues(kube.NewScheme)

// stillness is for how long nothing may be written before the world counts as at rest.
const stillness = 30 * time.Minute

// Result is what a run came to.
type Result struct {
	Seed      uint64
	Hash      uint64
	Violation *Violation
	Tape      []uint32
	Steps     int
	Ops       int
	Writes    int   // of the daemon, elections aside
	Events    []int // handed to watches, each with the writes before it
	Faults    int
	Crashes   int
	Kinds     map[string]int
	Kept      map[string]int // how often each promise was put to the test
	Lasted    time.Duration  // of the world's time
	Picture   string         // of the world in which a promise was broken
}

// String is one line for the ledger.
func (r Result) String() string {
	var kinds []string
	for k, n := range r.Kinds {
		kinds = append(kinds, fmt.Sprintf("%s:%d", k, n))
	}
	sort.Strings(kinds)
	out := fmt.Sprintf("seed %d hash %016x steps %d ops %d writes %d faults %d [%s] crashes %d lasted %s", r.Seed, r.Hash, r.Steps, r.Ops, r.Writes, r.Faults, strings.Join(kinds, " "), r.Crashes, r.Lasted.Round(time.Second))
	if r.Violation != nil {
		out += " VIOLATION " + r.Violation.String()
	}
	return out
}

// Prepare sets what is global to the process: client-go's handlers of errors keep
// time of their own and would sleep for decades in a bubble that begins in 2000.
// klog's lines are as many as the faults.
func Prepare() {
	utilruntime.ErrorHandlers = nil
	klog.SetLogger(logr.Discard())
}

// Run plays one history to its end.
func Run(t *testing.T, opt Options) (result Result) {
	if opt.Calm == 0 {
		// An aborted run is tidied for an hour, a node whose drain failed thrice is left
		// alone for forty minutes more, and stillness takes half an hour to be seen.
		opt.Calm = 150 * time.Minute
	}
	synctest.Test(t, func(t *testing.T) {
		w, err := newWorld(opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.history(); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		result = Result{Seed: opt.Seed, Hash: w.hash, Violation: w.failed, Tape: w.tape.Used(), Events: w.seen, Steps: w.step, Ops: w.stats.ops, Writes: w.writes, Faults: w.stats.faults,
			Crashes: w.stats.crashes, Kinds: w.stats.kinds, Kept: w.books.kept, Lasted: time.Since(w.began)}
		w.mu.Unlock()
		if result.Violation != nil {
			result.Picture = w.picture()
			result.Violation.Detail += w.wished()
		}
		w.end()
	})
	return result
}

func (w *World) ok() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed == nil
}

// history is the run: warm, gentle for two minutes, rough, calm.
func (w *World) history() error {
	w.drawMix()
	if err := w.build(); err != nil {
		return err
	}
	w.drawSpan()
	w.drawParts()
	w.warm()
	if err := w.renewImages(); err != nil {
		return err
	}
	for began := time.Now(); w.ok() && time.Since(began) < 45*time.Second; {
		w.gentle()
	}
	if w.opt.Story != nil {
		w.moved = true
		w.opt.Story(w)
	}
	for began := time.Now(); w.ok() && w.opt.Story == nil && time.Since(began) < w.span.faults; {
		w.rough()
	}
	w.heal()
	w.lastReal = time.Now()
	for w.ok() {
		w.gentle()
		if w.rests() {
			break
		}
		if time.Since(w.calmAt) > w.opt.Calm {
			if w.triesOnly() {
				break
			}
			w.promise(keepRest, false, "something is written %s after the last fault: %s", w.opt.Calm, w.lastWhat)
		}
	}
	if w.ok() {
		w.books.kept[keepRest]++
		w.checkRest()
	}
	return nil
}

// rests is whether the world has come to its end: nothing was written for as long
// as this run waits and all is as it should be, or it is not and nobody has done
// anything about it for all of stillness. A brake that holds for just as long, counted
// from its last sign and not from the last write, has until then to open, and so has a
// repair that waits whether its fault spreads. Time in which nobody led does not count:
// nobody was there to do anything.
func (w *World) rests() bool {
	if len(w.errands)+len(w.walls) > 0 {
		return false
	}
	still := time.Since(latest(w.lastReal, w.led))
	if still >= stillness {
		return !w.brakesMayHold() && !w.spreadAwaited()
	}
	if still < w.mix.still || time.Since(w.looked) < time.Minute {
		return false
	}
	w.looked = time.Now()
	return w.wouldRest()
}

// end stops everything, so that the bubble can burst.
func (w *World) end() {
	for _, p := range w.procs {
		p.kill()
	}
	w.cloud.Close()
	for range 3 {
		synctest.Wait()
		time.Sleep(10 * time.Minute)
	}
}
