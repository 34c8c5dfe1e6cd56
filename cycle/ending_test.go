package cycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A new node that the doctor never passes is one too many when the run is aborted,
// and the others are just as many as must remain: it is the one that goes, and the
// abort does not wait for its verdict.
func TestAbortTakesTheNodeThatNobodyCountsOn(t *testing.T) {
	for _, at := range []int{8, 20, 40, 60, 80} {
		set := small
		set.size, set.surge, set.pods, set.minAvailable = 4, intstr.FromInt32(2), 8, 7
		pass(t, set, func(t *testing.T, s *simulation) {
			s.unseen = 1
			s.ask(v1alpha1.AnnotationCycle, "now")
			s.until(func() bool { return len(s.never) == 1 })
			for range at {
				s.tick()
			}
			if s.town.pool.Status.Cycle == nil {
				t.Fatalf("no run is under way after %d ticks", at)
			}
			s.ask(v1alpha1.AnnotationAbort, "enough")
			if took := s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") }); took > 10*time.Minute {
				t.Errorf("aborted after %d ticks: it took %s", at, took)
			}
			s.checkEnd(Aborted, "")
		})
	}
}

// The successor of a machine that was lost in a run does not join in time, and then
// the run is aborted: the pool has no more nodes than it is to have, and so none goes,
// and no other is made in its place. What had been cordoned of it is given back.
func TestAbortKeepsWhatThePoolIsToHave(t *testing.T) {
	for _, marked := range []bool{false, true} {
		set := with(v1alpha1.StrategyBootVolume)
		set.pods, set.minAvailable = 0, 0
		pass(t, set, func(t *testing.T, s *simulation) {
			s.ask(v1alpha1.AnnotationCycle, "now")
			s.until(func() bool { return s.town.pool.Status.Cycle != nil })
			s.unseen = 1
			s.loseOne()
			s.until(func() bool {
				run := s.town.pool.Status.Cycle
				return len(run.FailedJoins) == 1 && (!marked || s.town.nodes[run.FailedJoins[0]].Annotations[v1alpha1.AnnotationDisruption] != "")
			})
			before := s.calls()
			s.ask(v1alpha1.AnnotationAbort, "enough")
			s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
			if after := s.calls(); after != before || len(s.town.nodes) != set.size {
				t.Errorf("marked %t: calls %q and then %q, %d nodes", marked, before, after, len(s.town.nodes))
			}
			if left := s.clean(); left != "" || s.town.pool.Status.LastCycle.Outcome != Aborted {
				t.Errorf("marked %t: %+v, left %s", marked, s.town.pool.Status.LastCycle, left)
			}
		})
	}
}

// The same at the end of a run that goes on: the node has had its time to join and
// carries pods, so that nobody has deleted it as failed.
func TestRunEndsBesideANodeThatIsNeverExamined(t *testing.T) {
	set := small
	set.size, set.surge, set.pods, set.minAvailable = 4, intstr.FromInt32(2), 8, 7
	pass(t, set, func(t *testing.T, s *simulation) {
		s.unseen = 1
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		if took := s.until(func() bool { return s.ended(upgradeRequest) }); took > 2*time.Hour {
			t.Errorf("it took %s", took)
		}
		s.checkEnd(Succeeded, newRelease.Kubernetes)
	})
}

// Machines join while no process leads, for longer than they have time to: the first
// look of the next one comes before the doctor's, and no join has failed.
func TestNodesThatJoinWhileNobodyLeads(t *testing.T) {
	set := small
	set.size, set.surge, set.pods, set.minAvailable = 4, intstr.FromInt32(3), 8, 7
	pass(t, set, func(t *testing.T, s *simulation) {
		s.unseen = 3
		s.ask(v1alpha1.AnnotationCycle, "now")
		s.until(func() bool { return len(s.never) == 3 })
		for range 60 {
			time.Sleep(time.Minute)
			s.settle()
		}
		s.start()
		s.tick()
		if run := s.town.pool.Status.Cycle; run == nil || len(run.FailedJoins) > 0 {
			t.Errorf("after the first look the run is %+v", run)
		}
		s.never = map[string]bool{} // the doctor's first look
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
		s.checkEnd(Succeeded, "")
	})
}

// No budget lets the last node go that the run has added. What was cordoned is given
// back at once, and after its time the run ends and says what it leaves.
func TestAbortEndsWhateverRefuses(t *testing.T) {
	set := small
	set.pods, set.minAvailable = 3, 3
	pass(t, set, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationCycle, "now")
		s.until(func() bool { return len(s.town.nodes) == 4 && s.look().Nodes[3].Available() })
		s.set.pods, s.town.minAvailable = 4, 4 // one on each node, and none may go
		s.minutes(5)
		s.ask(v1alpha1.AnnotationAbort, "enough")
		s.minutes(1)
		for name, n := range s.town.nodes {
			if _, marked := n.Annotations[v1alpha1.AnnotationDisruption]; marked && n.CreationTimestamp.Time.Before(s.town.pool.Status.Cycle.StartedAt.Time) {
				t.Errorf("old node %s is still held a minute after the abort", name)
			}
		}
		took := s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
		if took < 50*time.Minute || took > 70*time.Minute {
			t.Errorf("the abort took %s, want about an hour", took)
		}
		last := s.town.pool.Status.LastCycle
		for _, want := range []string{"it could not be tidied up in 1h0m0s", "left at a size of 4 instead of 3"} {
			if last.Outcome != Aborted || !strings.Contains(last.Message, want) {
				t.Errorf("%s: %s", last.Outcome, last.Message)
			}
		}
		s.minutes(15)
		if left := s.clean(); left != "" {
			t.Errorf("left behind: %s", left)
		}
	})
}

// Who pauses a pool and aborts its run has the nodes back at once. Nothing else is
// done before the pause is over.
func TestAbortWhilePaused(t *testing.T) {
	set := small
	set.minAvailable = set.pods // nothing leaves
	pass(t, set, func(t *testing.T, s *simulation) {
		s.ask(v1alpha1.AnnotationCycle, "now")
		held := func() int {
			count := 0
			for _, n := range s.town.nodes {
				if n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationDisruption] != "" {
					count++
				}
			}
			return count
		}
		s.until(func() bool { return held() > 0 })
		s.ask(v1alpha1.AnnotationPause, "true")
		s.minutes(5)
		if held() == 0 {
			t.Fatalf("a pause gives nodes back:\n%s", s.last)
		}
		s.ask(v1alpha1.AnnotationAbort, "enough")
		s.minutes(1)
		if held() > 0 || !strings.Contains(s.last, "the aborted run has given its nodes back") {
			t.Errorf("%d nodes are held a minute after the abort:\n%s", held(), s.last)
		}
		calls := s.calls()
		s.minutes(120)
		if got := s.calls(); got != calls || s.town.pool.Status.Cycle == nil {
			t.Errorf("in the pause the cloud was asked for %q, %q before", got, calls)
		}
		s.ask(v1alpha1.AnnotationPause, "")
		s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=now") })
		s.checkEnd(Aborted, "")
	})
}

// An abort ends the requests of all nodes that the run was about. A new value on one
// of them is a new request, and takes no other node with it.
func TestAbortOfNodeRequests(t *testing.T) {
	set := small
	set.size, set.pods, set.minAvailable = 5, 5, 4
	pass(t, set, func(t *testing.T, s *simulation) {
		var asked []string
		for name := range s.town.nodes {
			asked = append(asked, name)
		}
		slices.Sort(asked)
		asked = asked[:3]
		request := func(name, value string) {
			s.edit(name, func(n *corev1.Node) { n.Annotations[v1alpha1.AnnotationCycle] = value })
		}
		for _, name := range asked {
			request(name, "1")
		}
		s.minutes(1)
		run := s.town.pool.Status.Cycle
		if run == nil || run.Stale != 3 {
			t.Fatalf("run %+v", run)
		}
		s.ask(v1alpha1.AnnotationAbort, "enough")
		s.until(func() bool { return s.town.pool.Status.Cycle == nil })
		s.minutes(60)
		if s.town.pool.Status.Cycle != nil || len(s.town.nodes) != 5 || s.town.pool.Status.LastCycle.Outcome != Aborted {
			t.Fatalf("it goes on: %+v\n%s", s.town.pool.Status.LastCycle, s.last)
		}
		if !strings.Contains(s.last, string(RequestAborted)) {
			t.Errorf("nobody says why the requests are not honoured:\n%s", s.last)
		}
		request(asked[1], "2")
		s.until(func() bool {
			return s.ended(fmt.Sprintf("node/%s:%s=2", asked[1], v1alpha1.AnnotationCycle))
		})
		s.minutes(60)
		for i, name := range asked {
			if there := s.town.nodes[name] != nil; there != (i != 1) {
				t.Errorf("node %d is there: %v", i, there)
			}
		}
		// Without the abort the others are requests again.
		s.ask(v1alpha1.AnnotationAbort, "")
		s.until(func() bool { return s.town.nodes[asked[0]] == nil && s.town.nodes[asked[2]] == nil })
	})
}

// A request that is taken back between the abort and the end of its run, and made
// again in the same words, is ended by that abort as well; and it is said. Without the
// abort, or in other words, it is a request.
func TestAbortOfARequestThatIsTakenBack(t *testing.T) {
	set := small
	set.size, set.pods, set.minAvailable = 5, 5, 4
	for _, anew := range []string{"the abort is taken off", "another value"} {
		pass(t, set, func(t *testing.T, s *simulation) {
			node := s.anyNode()
			request := func(value string) {
				s.edit(node, func(n *corev1.Node) {
					delete(n.Annotations, v1alpha1.AnnotationCycle)
					if value != "" {
						n.Annotations[v1alpha1.AnnotationCycle] = value
					}
				})
			}
			request("1")
			s.until(func() bool { return s.town.pool.Status.Cycle != nil })
			s.ask(v1alpha1.AnnotationAbort, "enough")
			request("")
			s.until(func() bool { return s.town.pool.Status.Cycle == nil })
			s.checkEnd(Aborted, "")
			request("1")
			s.minutes(30)
			if s.town.pool.Status.Cycle != nil || s.town.nodes[node] == nil {
				t.Fatalf("it is taken up again\n%s", s.last)
			}
			if !strings.Contains(s.last, string(RequestAborted)) {
				t.Errorf("nobody says why the request is not honoured:\n%s", s.last)
			}
			if anew == "another value" {
				request("2")
			} else {
				s.ask(v1alpha1.AnnotationAbort, "")
			}
			s.until(func() bool { return s.town.nodes[node] == nil })
		})
	}
}

// A drain that runs out of time again and again is tried ever more seldom, down to
// once in an hour and its own time, also by a new process.
func TestSkipsGrowApart(t *testing.T) {
	set := small
	set.size, set.pods, set.minAvailable = 1, 1, 1
	pass(t, set, func(t *testing.T, s *simulation) {
		s.set.pods, s.town.minAvailable = 2, 2 // the surge node carries one too
		s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
		var pauses []time.Duration
		last, node := "", s.anyNode()
		s.set.edit = func(s *simulation, tick int) {
			if s.town.nodes[node] == nil {
				return
			}
			if note := s.town.nodes[node].Annotations[v1alpha1.AnnotationSkippedUntil]; note != last && note != "" {
				until, _ := skippedUntil(s.look().Nodes[0])
				pauses = append(pauses, time.Until(until).Round(time.Minute))
				last = note
			}
			if tick%100 == 0 {
				s.start()
			}
		}
		s.minutes(8 * 60)
		var want []time.Duration
		for _, n := range []int{10, 20, 40, 60, 60, 60} {
			want = append(want, time.Duration(n)*time.Minute)
		}
		if len(pauses) < len(want) || !slices.Equal(pauses[:len(want)], want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
		// Whoever has mended the cause need not wait.
		s.town.minAvailable = 0
		s.edit(node, func(n *corev1.Node) { delete(n.Annotations, v1alpha1.AnnotationSkippedUntil) })
		if took := s.until(func() bool { return s.ended(upgradeRequest) }); took > 15*time.Minute {
			t.Errorf("it took %s", took)
		}
	})
}

// The process of a blue-green run dies when it has cordoned some of the blue nodes
// and not all, and green machines are lost while the cloud has no room: the rest is
// held by the floor, and what is empty stands until the rest is. Others are made as
// soon as there is room, beside the blue ones that stand.
func TestBlueGreenLosesMachines(t *testing.T) {
	met := 0
	for kill := 14; kill < 50; kill += 3 {
		set := with(v1alpha1.StrategyBlueGreen, blueGreen)
		set.size, set.zones, set.pods, set.minAvailable = 5, 2, 6, 0
		pass(t, set, func(t *testing.T, s *simulation) {
			s.change(func(p *v1alpha1.Pool) { p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn} })
			s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
			s.town.killAt = s.town.changes + kill
			room := func(hosts int) {
				s.cloud.SetCapacity("ZONE-1", hosts)
				s.cloud.SetCapacity("ZONE-2", hosts)
			}
			lostAt := 0
			s.set.edit = func(s *simulation, tick int) {
				blue, green := s.colours()
				if lostAt == 0 && blue > 0 && blue < 5 && len(green) == 5 {
					lostAt = tick
					met++
					room(0)
					s.lose(green[0])
					s.lose(green[1])
				}
				if lostAt > 0 && tick == lostAt+60 {
					room(-1)
				}
			}
			if took := s.until(func() bool { return s.ended(upgradeRequest) }); took > 4*time.Hour {
				t.Errorf("killed at %d: it took %s", kill, took)
			}
			s.checkEnd(Succeeded, newRelease.Kubernetes)
		})
	}
	if met == 0 {
		t.Error("no run was between two cordons when it died")
	}
}

// A run that takes over from a blue-green one finds more old nodes than are desired:
// the green ones are old as well. They hold the places of those that it is to make.
func TestBlueGreenIsSuperseded(t *testing.T) {
	const first = v1alpha1.AnnotationCycle + "=first"
	crowded := 0
	for asked := 8; asked < 60; asked += 4 {
		pass(t, with(v1alpha1.StrategyBlueGreen, blueGreen), func(t *testing.T, s *simulation) {
			s.ask(v1alpha1.AnnotationCycle, "first")
			s.until(func() bool { return s.town.changes >= asked || s.ended(first) })
			crowd := len(s.town.nodes)
			if s.ended(first) || crowd <= 3 {
				return
			}
			crowded++
			s.ask(v1alpha1.AnnotationCycle, "again")
			if took := s.until(func() bool { return s.ended(v1alpha1.AnnotationCycle + "=again") }); took > 4*time.Hour {
				t.Errorf("superseded after %d changes, with %d nodes: it took %s", asked, crowd, took)
			}
			s.checkEnd(Succeeded, oldRelease.Kubernetes)
		})
	}
	if crowded == 0 {
		t.Error("no run was superseded with more nodes than are desired")
	}
}

// The last blue node is held by its zone's floor alone, and all others stand empty:
// nothing is on its way, and the zone's floor yields. Found by TestInvariants.
func TestBlueGreenBehindAZonesFloor(t *testing.T) {
	p := plot{
		set:      setting{size: 7, zones: 3, surge: intstr.FromString("59%"), unavailable: intstr.FromInt32(3), pods: 9, prepare: somebodys},
		capacity: -1, killAt: 4, edits: true, duds: 2, loses: 55, version: newRelease.Kubernetes,
	}
	p.set.spec = func(s *v1alpha1.CycleSpec) {
		s.Strategy, s.Ramp = v1alpha1.StrategyBlueGreen, &v1alpha1.RampSpec{}
		s.BlueGreen, s.Fallback = &v1alpha1.BlueGreenSpec{Soak: minutesLong(10)}, &v1alpha1.FallbackSpec{}
	}
	synctest.Test(t, func(t *testing.T) { p.play(t) })
}

// colours are how many old nodes are cordoned, and the new ones.
func (s *simulation) colours() (blue int, green []string) {
	for name, n := range s.town.nodes {
		switch {
		case n.Status.NodeInfo.KubeletVersion == newRelease.Kubernetes:
			green = append(green, name)
		case n.Spec.Unschedulable:
			blue++
		}
	}
	slices.Sort(green)
	return blue, green
}
