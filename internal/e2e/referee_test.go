package e2e

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/internal/kube"
)

var kickOff = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A move is one change that the referee is shown.
type move func(r *Referee, at time.Time)

func node(name string, change ...func(*NodeView)) move {
	return func(r *Referee, at time.Time) {
		n := NodeView{Name: name, Machine: "m-" + name, Pool: "p", Created: kickOff.Add(-time.Hour), Ready: true, Passed: true}
		for _, c := range change {
			c(&n)
		}
		r.SeeNode(n, at)
	}
}

func fresh(n *NodeView)    { n.Created = kickOff.Add(time.Minute) }
func unready(n *NodeView)  { n.Ready = false }
func unpassed(n *NodeView) { n.Passed = false }
func cycled(n *NodeView)   { n.Cordoned, n.Cause = true, kube.CauseCycle }
func repaired(n *NodeView) { n.Ready, n.Cordoned, n.Cause = false, true, kube.CauseRepair }
func cordoned(n *NodeView) { n.Cordoned = true }
func rebooted(n *NodeView) { n.Boot = "second" }
func booted(n *NodeView)   { n.Boot = "first" }
func in2(n *NodeView)      { n.Zone = "2" }

// machines is the whole list; a name that ends in "-" is leaving.
func machines(names ...string) move {
	return func(r *Referee, at time.Time) {
		var list []MachineView
		for _, n := range names {
			base, leaving := strings.CutSuffix(n, "-")
			list = append(list, MachineView{ID: "m-" + base, Pool: "p", Leaving: leaving})
		}
		r.SeeMachines(list, at)
	}
}

func pod(name string, change ...func(*PodView)) move {
	return func(r *Referee, at time.Time) {
		p := PodView{Key: types.NamespacedName{Namespace: "shop", Name: name}, Node: "a", Labels: labels.Set{"app": "web"}, Ready: true}
		for _, c := range change {
			c(&p)
		}
		r.SeePod(p, at)
	}
}

func evictedPod(p *PodView) { p.Leaving, p.By = true, evicted }
func deletedPod(p *PodView) { p.Leaving = true }
func taintedPod(p *PodView) { p.Leaving, p.By = true, "DeletionByTaintManager" }
func resident(p *PodView)   { p.Resident = true }
func begin(run Run) move {
	return func(r *Referee, _ time.Time) { run.Since = kickOff; r.Begin("p", run) }
}
func excuse(m string) move { return func(r *Referee, _ time.Time) { r.Excuse(m, "a person did it") } }
func bound(n int) move     { return func(r *Referee, _ time.Time) { r.Bound("p", n) } }
func gonePod(n string) move {
	return func(r *Referee, _ time.Time) { r.LosePod(types.NamespacedName{Namespace: "shop", Name: n}) }
}
func guard(least int) move {
	return func(r *Referee, _ time.Time) {
		r.Guard("web", Guard{Namespace: "shop", Selector: labels.SelectorFromSet(labels.Set{"app": "web"}), Min: least})
	}
}

func TestRefereeKnowsABreachFromPlay(t *testing.T) {
	replaceFirst, oneDown := Run{Desired: 2, MaxSurge: 1}, Run{Desired: 2, MaxSurge: 1, MaxUnavailable: 1}
	tests := []struct {
		name  string
		moves []move
		want  []Promise
	}{
		{"a cordon after its stand-in", []move{node("a"), node("b"), begin(replaceFirst), node("c", fresh), node("a", cycled)}, nil},
		{"a cordon before its stand-in", []move{node("a"), node("b"), begin(replaceFirst), node("a", cycled)}, []Promise{Floor, ReplaceFirst}},
		{"a stand-in that has not passed", []move{node("a"), node("b"), begin(replaceFirst), node("c", fresh, unpassed), node("a", cycled)}, []Promise{Floor, ReplaceFirst}},
		{"an old spare is no stand-in", []move{node("a"), node("b"), node("c"), begin(replaceFirst), node("a", cycled)}, []Promise{ReplaceFirst}},
		{"a stand-in that another stands in for", []move{
			node("a"), node("b"), begin(replaceFirst), node("c", fresh), node("a", cycled), node("d", fresh), node("c", fresh, cycled),
		}, nil},
		{"a stand-in that nobody stands in for", []move{
			node("a"), node("b"), begin(replaceFirst), node("c", fresh), node("a", cycled), node("c", fresh, cycled),
		}, []Promise{Floor, ReplaceFirst}},
		{"one may be missing", []move{node("a"), node("b"), begin(oneDown), node("a", cycled)}, nil},
		{"two may not", []move{node("a"), node("b"), begin(oneDown), node("a", cycled), node("b", cycled)}, []Promise{Floor, ReplaceFirst}},
		{"a dead kubelet is nobody's breach", []move{node("a"), node("b"), begin(replaceFirst), node("a", unready)}, nil},
		{"nor is the cordon of a dead node", []move{node("a"), node("b"), begin(replaceFirst), node("a", unready), node("a", repaired)}, nil},
		{"but a cordon beside a dead node is", []move{node("a"), node("b"), begin(replaceFirst), node("c", fresh), node("a", unready), node("b", cycled)}, []Promise{Floor}},

		{"a dead node needs no stand-in", []move{node("a"), node("b"), begin(replaceFirst), node("a", unready), node("a", unready, cycled)}, nil},
		{"what was given back is no cordon any more", []move{
			node("a"), node("b"), begin(replaceFirst), node("c", fresh), node("a", cycled), node("a"), node("b", cycled),
		}, nil},

		{"a zone gives its last node while another is on its way in", []move{
			machines("a", "d"), node("a"), node("d", in2), begin(Run{Desired: 2, MaxSurge: 2, Zones: 2}), node("c", fresh), machines("a", "c", "d", "new"), node("d", in2, cycled),
		}, []Promise{Floor}},
		{"and when nothing moves", []move{
			machines("a", "b", "d"), node("a"), node("d", in2), begin(Run{Desired: 2, MaxSurge: 1, Zones: 2}), node("b", fresh), node("d", in2, cycled),
		}, nil},
		{"and while another is being emptied", []move{
			machines("a", "b", "c", "d"), node("a"), node("d", in2), begin(Run{Desired: 2, MaxSurge: 2, Zones: 2}), node("b", fresh), node("c", fresh), node("a", cycled), node("d", in2, cycled),
		}, []Promise{Floor}},

		{"an emptied node boots anew", []move{machines("a"), node("a", booted), node("b"), begin(oneDown), node("a", booted, cycled), node("a", cycled, rebooted), node("a", rebooted)}, nil},
		{"a node boots anew without a cordon", []move{machines("a"), node("a", booted), begin(oneDown), node("a", rebooted)}, []Promise{NoSurpriseDelete}},
		{"a node boots anew with a pod on it", []move{machines("a"), pod("w"), node("a", booted), node("b"), begin(oneDown), node("a", booted, cycled), node("a", cycled, rebooted)}, []Promise{NoSurpriseDelete}},

		{"machines up to the ceiling", []move{begin(replaceFirst), machines("a", "b", "c")}, nil},
		{"one more, although one is leaving", []move{begin(replaceFirst), machines("a", "b", "c-", "d")}, []Promise{Ceiling}},
		{"a size beyond the bound", []move{bound(2), machines("a", "b", "c")}, []Promise{Ceiling}},

		{"an emptied node goes", []move{machines("a"), pod("w", evictedPod), node("a", cordoned), gonePod("w"), machines("a-")}, nil},
		{"a machine goes without a cordon", []move{machines("a"), node("a"), machines("a-")}, []Promise{NoSurpriseDelete}},
		{"between two looks", []move{machines("a"), node("a"), machines()}, []Promise{NoSurpriseDelete}},
		{"a machine goes with a pod on it", []move{machines("a"), pod("w"), node("a", cordoned), machines("a-")}, []Promise{NoSurpriseDelete}},
		{"a machine goes with a DaemonSet's pod", []move{machines("a"), pod("w", resident), node("a", cordoned), machines("a-")}, nil},
		{"a machine that never became a Node", []move{machines("a"), machines("a-")}, nil},
		{"a machine that a person ended", []move{machines("a"), node("a"), excuse("m-a"), machines("a-")}, nil},
		{"a dead node's pod cannot leave", []move{machines("a"), pod("w", evictedPod), node("a", repaired), machines("a-")}, nil},
		{"a dead node's pod was not asked", []move{machines("a"), pod("w"), node("a", repaired), machines("a-")}, []Promise{NoSurpriseDelete}},

		{"an eviction within the budget", []move{guard(1), pod("w"), pod("x"), pod("w", evictedPod)}, nil},
		{"an eviction beyond it", []move{guard(2), pod("w"), pod("x"), pod("w", evictedPod)}, []Promise{PDB}},
		{"a delete in place of an eviction", []move{guard(1), pod("w"), pod("x"), pod("w", deletedPod)}, []Promise{PDB}},
		{"the taint manager is not tidemill", []move{guard(2), pod("w"), pod("x"), pod("w", taintedPod)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReferee(map[string]string{"p": "workers"})
			for i, m := range tt.moves {
				m(r, kickOff.Add(time.Duration(i)*time.Second))
			}
			var got []string
			for _, v := range r.Violations() {
				got = append(got, v.Promise.String())
			}
			var want []string
			for _, p := range tt.want {
				want = append(want, p.String())
			}
			if strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("violations %v, want %v\n%v", got, want, r.Violations())
			}
		})
	}
}

func TestRefereeTellsTheExtremesOfARun(t *testing.T) {
	r := NewReferee(nil)
	for i, m := range []move{
		node("a"), node("b"), machines("a", "b"), begin(Run{Desired: 2, MaxSurge: 1}), machines("a", "b", "c"), node("c", fresh),
		node("a", cycled), node("b", unready), node("b"), machines("a-", "b", "c"),
	} {
		m(r, kickOff.Add(time.Duration(i)*time.Second))
	}
	if got, want := r.End("p", kickOff.Add(time.Minute)), (Seen{LeastAvailable: 1, MostMachines: 3, Cordoned: 1}); got != want {
		t.Errorf("seen %+v, want %+v", got, want)
	}
	if v := r.Violations(); len(v) != 0 {
		t.Errorf("violations %v", v)
	}
}
