package cycle

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// campaign lets the long tests enumerate everything; without it they take every
// seventh case.
var campaign = flag.Bool("campaign", false, "kill every strategy's run at every call")

// plot is what happens in a random run.
type plot struct {
	set       setting
	killAt    int
	after     bool
	flaky     int
	capacity  int // of the first zone; negative is unlimited
	restore   int // the tick at which it is unlimited again
	version   string
	plain     bool // all nodes once, whatever they run
	edits     bool
	brakes    int  // the tick at which many nodes are away, for ten minutes; 0 is never
	everybody bool // not only half of them
	duds      int  // new machines that never become nodes, the first of them
	loses     int  // the tick at which a machine is lost, and the next another; 0 is never
	mends     int  // ticks from the first refusal of the firm pods' budget until somebody mends it
}

// anyPlot draws a pool, a strategy, a load, faults, edits and a death.
func anyPlot(t *rapid.T) plot {
	p := plot{set: anySetting(t), version: "v1.34.1", capacity: -1}
	if p.set.lag = rapid.IntRange(0, 2).Draw(t, "lag2"); p.set.lag > 1 {
		p.set.lag = 0
	}
	strategy := rapid.SampledFrom([]v1alpha1.CycleStrategy{"", v1alpha1.StrategySurge, v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume, v1alpha1.StrategyBlueGreen}).Draw(t, "strategy")
	windows := rapid.IntRange(0, 3).Draw(t, "windows") == 0
	canary, ramp := rapid.IntRange(0, 2).Draw(t, "canary") == 0, rapid.IntRange(0, 2).Draw(t, "ramp") == 0
	zoned := rapid.Bool().Draw(t, "order")
	fallback := rapid.IntRange(0, 2).Draw(t, "fallback")
	drain := p.anyStuckDrain(t)
	p.set.spec = func(s *v1alpha1.CycleSpec) {
		s.Strategy = strategy
		if windows {
			s.Windows = []v1alpha1.CycleWindow{windowOf("0 */2 * * *", "35m", "Europe/Berlin")}
		}
		if canary {
			s.Canary = &v1alpha1.CanarySpec{}
		}
		if ramp {
			s.Ramp = &v1alpha1.RampSpec{}
		}
		if zoned {
			s.Order = v1alpha1.OrderZone
		}
		s.BlueGreen = &v1alpha1.BlueGreenSpec{Soak: &metav1.Duration{Duration: 10 * time.Minute}}
		s.Fallback = &v1alpha1.FallbackSpec{Unavailable: fallback == 1}
		s.Drain = drain
	}
	if b, _ := BudgetOf(&v1alpha1.CycleSpec{MaxSurge: &p.set.surge, MaxUnavailable: &p.set.unavailable}, p.set.size, p.set.zones); b.Surge == 0 || p.set.size <= 1 ||
		strategy == v1alpha1.StrategyInPlace || strategy == v1alpha1.StrategyBootVolume || fallback == 1 {
		// Whoever lets nodes go before others stand in cannot have a budget of pods
		// that needs all of them.
		p.set.minAvailable = 0
	}
	p.killAt, p.after = rapid.IntRange(0, 60).Draw(t, "killAt"), rapid.Bool().Draw(t, "after")
	p.flaky = rapid.SampledFrom([]int{0, 0, 0, 40}).Draw(t, "flaky")
	if rapid.IntRange(0, 3).Draw(t, "capacity?") == 0 {
		p.capacity, p.restore = rapid.IntRange(0, 2).Draw(t, "capacity"), rapid.IntRange(60, 400).Draw(t, "restore")
	}
	p.edits, p.everybody = rapid.IntRange(0, 3).Draw(t, "edits") == 0, rapid.Bool().Draw(t, "everybody")
	if p.brakes = rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "brakes") * rapid.IntRange(2, 30).Draw(t, "brakesAt"); p.brakes > 0 {
		p.set.lag = 0 // nobody can know of nodes that broke since the cache was filled
	}
	if rapid.IntRange(0, 4).Draw(t, "version") == 0 {
		p.version = rapid.SampledFrom([]string{tooNew.Kubernetes, tooOld.Kubernetes}).Draw(t, "beyond")
	}
	p.plain = rapid.IntRange(0, 4).Draw(t, "plain") == 0
	p.duds = rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "duds")
	p.loses = rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "loses") * rapid.IntRange(1, 60).Draw(t, "losesAt")
	if p.loses > 0 {
		// Pods that are lost need no leave, and a cache that lags shows their node.
		p.set.lag, p.set.minAvailable = 0, 0
	}
	p.set.prepare = somebodys
	return p
}

// anyStuckDrain gives some of the plots a few pods that no budget lets go, and their
// pool the time after which that has consequences; nil for the others.
func (p *plot) anyStuckDrain(t *rapid.T) *v1alpha1.DrainSpec {
	if rapid.IntRange(0, 3).Draw(t, "stuck") > 0 {
		return nil
	}
	p.set.firm, p.mends = rapid.IntRange(1, 3).Draw(t, "firm"), rapid.IntRange(90, 180).Draw(t, "mends")
	return &v1alpha1.DrainSpec{
		Timeout:   minutesLong(rapid.SampledFrom([]int{1, 2, 5}).Draw(t, "timeout")),
		OnTimeout: rapid.SampledFrom([]v1alpha1.DrainTimeoutAction{"", v1alpha1.DrainSkip, v1alpha1.DrainQuarantine}).Draw(t, "onTimeout"),
	}
}

// somebodys lets every third node have been kept by a person before.
func somebodys(n *corev1.Node) {
	n.Annotations["theirs"] = ""
	switch n.Name[len(n.Name)-1] % 3 {
	case 0:
		n.Annotations["theirs"], n.Annotations[v1alpha1.AnnotationScaleDownDisabled] = "yes", "true"
	case 1:
		n.Annotations[v1alpha1.AnnotationScaleDownDisabled] = "false"
	}
}

// play lets the plot happen and checks the end.
func (p plot) play(t tester) map[string]int {
	s := newSimulation(t, p.set)
	if p.capacity >= 0 {
		s.cloud.SetCapacity("ZONE-1", p.capacity)
	}
	s.set.edit = func(s *simulation, tick int) { p.meddle(s, tick) }
	key, value := v1alpha1.AnnotationUpgradeTo, p.version
	if p.plain {
		key, value = v1alpha1.AnnotationCycle, "go"
	}
	request, b, began := key+"="+value, s.budget(p.set.size), time.Now()
	s.ask(key, value)
	s.town.killAt, s.town.after, s.flaky = p.killAt, p.after, p.flaky
	s.duds = p.duds
	if p.loses > 0 {
		s.change(func(o *v1alpha1.Pool) { o.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
	}
	s.until(func() bool {
		return (s.ended(request) || s.moot()) && (p.loses == 0 || s.whole() && s.ticks > p.loses+1) && (p.brakes == 0 || s.ticks > p.brakes+61)
	})
	outcome, version := Succeeded, newRelease.Kubernetes
	if b.Surge+b.Unavailable == 0 || p.version != "v1.34.1" && !p.plain {
		outcome, version = Refused, oldRelease.Kubernetes
	}
	if p.plain {
		version = oldRelease.Kubernetes
	}
	s.kept[invDeadline]++
	s.kept[invNoDeadlock]++
	s.checkEnd(outcome, version)
	if p.plain && outcome == Succeeded {
		s.promise(invSize, s.allSince(began), "a node is older than the request")
	}
	if p.killAt > 0 && s.town.changes >= p.killAt {
		s.kept[invIdempotent]++
	}
	writes := len(s.writes())
	s.promise(invRate, writes <= 12*p.set.size+60, "%d writes to the cloud for %d nodes", writes, p.set.size)
	return s.kept
}

// allSince is whether every node was made, or given a new boot volume, since then.
func (s *simulation) allSince(began time.Time) bool {
	for _, n := range s.look().Nodes {
		if n.Created().Before(began) && n.Object.Status.NodeInfo.BootID == "first" {
			return false
		}
	}
	return true
}

// moot is whether the places of lost machines were filled with the new release
// before the run could begin, so that nothing was left to be asked for.
func (s *simulation) moot() bool {
	last := s.town.pool.Status.LastCycle
	if s.town.pool.Status.Cycle != nil || last != nil && last.Request != unlaunchedRequest || len(s.town.nodes) == 0 {
		return false
	}
	for _, n := range s.look().Nodes {
		if n.Kubernetes() != newRelease.Kubernetes {
			return false
		}
	}
	return true
}

// meddle is what others do in mid-run.
func (p *plot) meddle(s *simulation, tick int) {
	if p.capacity >= 0 && tick == p.restore {
		s.cloud.SetCapacity("ZONE-1", -1)
	}
	if p.loses > 0 && (tick == p.loses || tick == p.loses+1) && len(s.town.nodes) > 0 {
		s.loseOne()
	}
	if s.town.refused > 0 {
		p.mends--
		s.town.mended = s.town.mended || p.mends <= 0
	}
	if p.edits && tick == 25 {
		s.resized = true
		s.change(func(o *v1alpha1.Pool) {
			more := intstr.FromInt32(3)
			o.Spec.Cycle.MaxSurge = &more
		})
	}
	if p.brakes > 0 && (tick == p.brakes || tick == p.brakes+60) {
		for i, n := range s.look().Nodes {
			if n.Object == nil || len(n.Object.Status.Conditions) < 2 || s.down[n.Name()] ||
				tick == p.brakes && (!p.everybody && i%2 > 0 || p.renewed(s, n)) {
				continue
			}
			s.edit(n.Name(), func(o *corev1.Node) {
				o.Status.Conditions[0].Status = corev1.ConditionTrue
				if tick == p.brakes {
					o.Status.Conditions[0].Status = corev1.ConditionUnknown
				}
			})
		}
	}
}

// renewed is whether the run is done with the node, or there is none to be braked.
func (p plot) renewed(s *simulation, n *world.Node) bool {
	if !p.plain {
		return n.Kubernetes() == newRelease.Kubernetes
	}
	run := s.town.pool.Status.Cycle
	return run == nil || !n.Created().Before(run.StartedAt.Time) || n.Object.Status.NodeInfo.BootID != "first"
}

// invariants are the promises of a run, by name.
var invariants = []string{invFloor, invCeil, invPDB, invReplaceFirst, invOneOwner, invClean, invIdempotent, invDerivable, invMonotone,
	invNoSurprise, invDeadline, invSize, invZone, invSkew, invQuiet, invBrake, invRate, invNoDeadlock}

// TestInvariants plays random runs and tells of each promise by its name whether it
// was kept; one that was never put to the test is a failure too.
func TestInvariants(t *testing.T) {
	kept, broken := map[string]int{}, map[string]int{}
	t.Run("plots", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			said := anyPlot(rt).watched(t, kept)
			for _, s := range said {
				name, _, _ := strings.Cut(s, ":")
				broken[name]++
			}
			if len(said) > 0 {
				rt.Fatalf("%s", strings.Join(said[:min(len(said), 5)], "\n"))
			}
		})
	})
	for _, name := range invariants {
		t.Run(name, func(t *testing.T) {
			if name == invNoDeadlock {
				rapid.Check(t, noDeadlock)
			}
			switch {
			case broken[name] > 0:
				t.Errorf("broken, %d times while a small plot was looked for", broken[name])
			case kept[name] == 0:
				t.Errorf("no run has put it to the test")
			}
		})
	}
}

// watched lets the plot happen and gives what went wrong. If it goes wrong only when
// the process dies or loses an answer, that is a broken promise of its own.
func (p plot) watched(t *testing.T, kept map[string]int) []string {
	play := func(p plot) []string {
		return bubble(t, func(t tester) {
			for name, n := range p.play(t) {
				kept[name] += n
			}
		})
	}
	said := play(p)
	if len(said) == 0 || p.killAt == 0 {
		return said
	}
	alive := p
	alive.killAt = 0
	if len(play(alive)) == 0 {
		said = append([]string{invIdempotent + ": all is well if the process lives"}, said...)
	}
	return said
}

// TestCrashInAnyStrategy kills a run of six nodes at its calls: before the call,
// after it, and after it without an answer.
func TestCrashInAnyStrategy(t *testing.T) {
	for _, strategy := range []v1alpha1.CycleStrategy{v1alpha1.StrategySurge, v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume, v1alpha1.StrategyBlueGreen, v1alpha1.StrategyDelegate} {
		t.Run(string(strategy), func(t *testing.T) {
			set := with(strategy, blueGreen)
			set.size, set.pods, set.minAvailable, set.surge = 6, 9, 5, intstr.FromInt32(2)
			if strategy == v1alpha1.StrategyDelegate {
				set.pods, set.minAvailable = 0, 0
			}
			calls := 0
			pass(t, set, func(_ *testing.T, s *simulation) {
				s.upgraded()
				calls = s.town.changes
			})
			every := 7
			if *campaign {
				every = 1
			}
			for k := 1 + calls%every; k <= calls; k += every {
				for _, kind := range []string{"before", "after", "lost"} {
					synctest.Test(t, func(t *testing.T) {
						s := newSimulation(t, set)
						s.town.killAt, s.town.after, s.town.survives = k, kind != "before", kind == "lost"
						s.upgraded()
						if t.Failed() {
							t.Fatalf("%s call %d of %d", kind, k, calls)
						}
					})
				}
			}
			fmt.Fprintf(t.Output(), "%d calls\n", calls)
		})
	}
}

// TestCrashInRepair kills the carrying out of each of the doctor's requests, and
// of the end of a lost machine, at its calls.
func TestCrashInRepair(t *testing.T) {
	set := small
	set.size, set.pods, set.minAvailable = 6, 9, 5
	for _, action := range append(kube.RepairActions(), "lost") {
		t.Run(string(action), func(t *testing.T) {
			repaired := func(s *simulation) {
				s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
				if action == "lost" {
					s.town.minAvailable = 0
					s.loseOne()
					s.until(s.whole)
					return
				}
				sick := s.anyNode()
				value := kube.RepairRequest{Action: action, Check: "disk-full", Since: time.Now()}.String()
				s.edit(sick, func(n *corev1.Node) {
					n.Status.Conditions[1].Status = corev1.ConditionTrue
					n.Annotations[v1alpha1.AnnotationCycle] = value
				})
				s.set.edit = func(s *simulation, _ int) { // the doctor is content after a restart
					if n := s.town.nodes[sick]; n != nil && n.Status.NodeInfo.BootID != "first" && n.Status.Conditions[1].Status == corev1.ConditionTrue {
						s.edit(sick, func(n *corev1.Node) { n.Status.Conditions[1].Status = corev1.ConditionFalse })
					}
				}
				s.until(func() bool { return s.ended("node/" + sick + ":" + v1alpha1.AnnotationCycle + "=" + value) })
				s.checkEnd(Succeeded, "")
				if there := s.town.nodes[sick] != nil; there == action.Destructive() && action != kube.RepairReplaceBootVolume {
					s.t.Errorf("after %s the node is there: %v", action, there)
				}
			}
			calls := 0
			pass(t, set, func(_ *testing.T, s *simulation) {
				before := s.town.changes
				repaired(s)
				calls = s.town.changes - before
			})
			for k := 1; k <= calls; k++ {
				for _, kind := range []string{"before", "after", "lost"} {
					synctest.Test(t, func(t *testing.T) {
						s := newSimulation(t, set)
						s.town.killAt, s.town.after, s.town.survives = s.town.changes+k, kind != "before", kind == "lost"
						repaired(s)
						if t.Failed() {
							t.Fatalf("%s call %d of %d", kind, k, calls)
						}
					})
				}
			}
			fmt.Fprintf(t.Output(), "%d calls\n", calls)
		})
	}
}
