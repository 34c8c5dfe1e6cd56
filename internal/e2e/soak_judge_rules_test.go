package e2e

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A scene is a change that the judge is shown so many seconds after the kick-off.
type scene func(j *judge, at time.Time)

// stored is a Node as the API server keeps it.
func stored(name string, ready, cordoned bool, mark string) scene {
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: "p"}},
		Spec:       corev1.NodeSpec{ProviderID: "m-" + name, Unschedulable: cordoned},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: status}, {Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse}}},
	}
	if mark != "" {
		n.Annotations[v1alpha1.AnnotationDisruption] = fmt.Sprintf(`{"cause":%q,"reason":"Outdated","message":"m","since":"2026-03-01T12:00:00Z","nodeUID":%q}`, mark, name)
	}
	return func(j *judge, at time.Time) { j.seeNode(n, at) }
}

func storedPod(name, node string, deleted bool, by string) scene {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name, Labels: map[string]string{"app": "web"}},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	if deleted {
		p.DeletionTimestamp = &metav1.Time{Time: kickOff}
	}
	if by != "" {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: by})
	}
	return func(j *judge, at time.Time) { j.seePod(p, at) }
}

func storedRun(desired int, paused bool) scene {
	p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}, Spec: v1alpha1.PoolSpec{NodePoolID: "p"}}
	if desired > 0 {
		p.Status.Cycle = &v1alpha1.CycleStatus{Desired: int32(desired), Request: "r"}
	}
	if paused {
		p.Annotations = map[string]string{v1alpha1.AnnotationPause: "true"}
	}
	return func(j *judge, at time.Time) { j.seePool(p, at) }
}

// inCloud is the list of machines (one that ends in "-" is leaving) and the size.
func inCloud(size int, names ...string) scene {
	return func(j *judge, at time.Time) {
		var list []MachineView
		for _, n := range names {
			base, leaving := strings.CutSuffix(n, "-")
			list = append(list, MachineView{ID: "m-" + base, Pool: "p", Leaving: leaving})
		}
		j.seeMachines(list, map[string]int{"p": size}, at)
	}
}

// act is a scene so many seconds after the one before.
type act struct {
	after float64
	scene scene
}

func TestSoakJudgeKnowsABreach(t *testing.T) {
	two := []act{{0, stored("a", true, false, "")}, {0, stored("b", true, false, "")}, {0, inCloud(2, "a", "b")}}
	cordon := stored("a", true, true, "cycle")
	pods := []act{{0, storedPod("x", "a", false, "")}, {0, storedPod("y", "a", false, "")}, {0, storedPod("z", "b", false, "")}}
	for _, tt := range []struct {
		name string
		acts []act
		want string // rule, "" for none
	}{
		{"a cordon below the floor", append(two, act{0, storedRun(2, false)}, act{60, cordon}), "floor"},
		{"with a stand-in", append(two, act{0, storedRun(2, false)}, act{0, stored("c", true, false, "")}, act{60, cordon}), ""},
		{"a stand-in lost five seconds ago", append(two, act{0, storedRun(2, false)}, act{0, stored("c", true, false, "")}, act{60, stored("c", false, false, "")}, act{5, cordon}), ""},
		{"a stand-in lost long ago", append(two, act{0, storedRun(2, false)}, act{0, stored("c", true, false, "")}, act{60, stored("c", false, false, "")}, act{25, cordon}), "floor"},
		{"desired raised five seconds ago", append(two, act{0, storedRun(1, false)}, act{60, storedRun(2, false)}, act{5, cordon}), ""},
		{"desired raised long ago", append(two, act{0, storedRun(1, false)}, act{60, storedRun(2, false)}, act{25, cordon}), "floor"},
		{"no run, no floor", append(two, act{60, cordon}), ""},
		{"a run whose Pool was deleted", append(two, act{0, storedRun(2, false)}, act{60, func(j *judge, at time.Time) { j.losePool("pool", at) }}, act{1, cordon}), ""},
		{"a cordon in a pause", append(two, act{0, storedRun(1, true)}, act{60, cordon}), "paused means paused"},
		{"a cordon on its way when the pause came", append(two, act{0, storedRun(1, true)}, act{5, cordon}), ""},
		{"a cordon after the pause", append(two, act{0, storedRun(1, true)}, act{60, storedRun(1, false)}, act{5, cordon}), ""},
		{"a machine without a cordon", append(two, act{60, inCloud(2, "a-", "b")}), "no surprise delete"},
		{"a machine that vanished without one", append(two, act{60, inCloud(2, "b")}), "no surprise delete"},
		{"a lost machine", append(two, act{0, func(j *judge, _ time.Time) { j.excuse("m-a", "lost") }}, act{60, inCloud(2, "b")}), ""},
		{"one that never was a node", append(two, act{0, inCloud(3, "a", "b", "c")}, act{60, inCloud(2, "a", "b", "c-")}), ""},
		{"a cordoned empty one", append(two, act{60, cordon}, act{1, inCloud(1, "a-", "b")}), ""},
		{"a cordoned one with a pod", append(two, pods[0], act{60, cordon}, act{1, inCloud(1, "a-", "b")}), "no surprise delete"},
		{"too many machines", append(two, act{60, inCloud(4, "a", "b", "c")}, act{1, inCloud(4, "a", "b", "c", "d")}), "ceiling"},
		{"many, one of them lost", append(two, act{0, func(j *judge, _ time.Time) { j.excuse("m-a", "lost") }}, act{60, inCloud(3, "a", "b", "c", "d")}), ""},
		{"too small for long", append(two, act{60, inCloud(0, "a", "b")}, act{125, inCloud(0, "a", "b")}), "minimum"},
		{"too small for a moment", append(two, act{60, inCloud(0, "a", "b")}, act{30, inCloud(1, "a", "b")}, act{125, inCloud(1, "a", "b")}), ""},
		{"a person's cordon undone", append(two, act{0, stored("a", true, true, "")}, act{0, func(j *judge, _ time.Time) { j.person("a", true) }}, act{60, stored("a", true, false, "")}), "own marks only"},
		{"one's own cordon undone", append(two, act{0, cordon}, act{60, stored("a", true, false, "")}), ""},
		{"an eviction within the budget", append(pods, act{60, storedPod("x", "a", true, evicted)}), ""},
		{"a plain delete", append(pods, act{60, storedPod("x", "a", true, "")}), "eviction only"},
		{"the taint manager's", append(pods, act{60, storedPod("x", "a", true, "DeletionByTaintManager")}), ""},
		{"an eviction right after another", append(pods, act{60, storedPod("x", "a", true, evicted)}, act{1, storedPod("y", "a", true, evicted)}), ""},
		{"an eviction long after another", append(pods, act{60, storedPod("x", "a", true, evicted)}, act{25, storedPod("y", "a", true, evicted)}), "PDB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJudge(20*time.Second, io.Discard)
			j.pools["p"] = &seenPool{name: "pool", min: 1, bound: 3, size: 2}
			j.guards["web"] = &seenGuard{least: 2}
			at := kickOff
			for _, a := range tt.acts {
				at = at.Add(time.Duration(a.after * float64(time.Second)))
				a.scene(j, at)
			}
			breaches, _ := j.verdict()
			switch {
			case tt.want == "" && len(breaches) > 0:
				t.Errorf("breaches %v, want none", breaches)
			case tt.want != "" && (len(breaches) != 1 || breaches[0].Rule != tt.want):
				t.Errorf("breaches %v, want one of %s", breaches, tt.want)
			}
		})
	}
}

// TestSoakEndsWhatKeepsItMute: while nobody gets an answer the script begins
// nothing, and that trouble is ended before those whose end needs an answer.
func TestSoakEndsWhatKeepsItMute(t *testing.T) {
	k := &soak{t: t, dice: rand.New(rand.NewPCG(1, 0)), happens: map[string]int{}, judge: newJudge(0, io.Discard), began: time.Now()}
	var ended []string
	until := func(kind string) lasting {
		return lasting{trouble: trouble{kind: kind}, undo: func(context.Context) error { ended = append(ended, kind); return nil }}
	}
	under := []lasting{until("pause"), until("etcd stuck"), until("cordon")}
	for range 200 {
		k.strike(t.Context(), map[string]time.Time{}, &under)
	}
	if len(k.happens) > 0 || len(under) != 3 {
		t.Errorf("begun meanwhile: %v", k.happens)
	}
	under[1].end = time.Now().Add(time.Hour)
	if under = k.endDue(t.Context(), under, time.Now()); len(ended) > 0 || len(under) != 3 {
		t.Errorf("ended while nobody is answered: %v", ended)
	}
	left := k.endDue(t.Context(), under, time.Now().Add(2*time.Hour))
	if want := []string{"etcd stuck", "pause", "cordon"}; !slices.Equal(ended, want) || len(left) != 0 {
		t.Errorf("ended %v, want %v, %d left", ended, want, len(left))
	}
}

// TestSlopeIsWithinLives: a leak is found below the noise of many short lives, and
// lives of different size are no leak.
func TestSlopeIsWithinLives(t *testing.T) {
	lives := func(perHour float64, warm time.Duration) (list []sample) {
		for life := range 6 {
			for i := range 144 { // twenty-four minutes, a sample every ten seconds
				age := time.Duration(i) * 10 * time.Second
				noise := math.Sin(float64(i*i + life)) // as good as chance here
				heap := float64(10+3*life) + noise + perHour*age.Hours() + 40*min(age, warm).Hours()
				list = append(list, sample{Replica: "one", Life: life, Age: age, Heap: heap * (1 << 20), Goroutines: 100, Files: 10, Series: 300})
			}
		}
		return list
	}
	flat, leak := slopes(lives(0, 0))[0], slopes(lives(20, 0))[0]
	if flat.steep() || math.Abs(flat.PerHour) > 3 || flat.Lives != 6 {
		t.Errorf("no leak: %+.2f ± %.2f %s over %d lives", flat.PerHour, flat.Error, flat.Unit, flat.Lives)
	}
	if !leak.steep() || math.Abs(leak.PerHour-20) > 3 {
		t.Errorf("a leak of 20 MiB/h: %+.2f ± %.2f %s", leak.PerHour, leak.Error, leak.Unit)
	}
	if warm := slopes(lives(0, 12*time.Minute))[0]; warm.steep() || math.Abs(warm.PerHour-flat.PerHour) > 1e-6 {
		t.Errorf("what fills in twelve minutes: %+.2f ± %.2f %s", warm.PerHour, warm.Error, warm.Unit)
	}
	if one := slopes(lives(20, 0)[:84])[0]; one.steep() || !math.IsInf(one.Error, 1) {
		t.Errorf("two minutes prove nothing: %+v", one)
	}
	if others := slopes(lives(20, 0))[1:]; math.Abs(others[0].PerHour) > 1e-9 || others[2].Most != 300 {
		t.Errorf("constant gauges: %+v", others)
	}
}

// TestSampleIsRead reads metrics as the daemon writes them, and does not take
// a page without them for one.
func TestSampleIsRead(t *testing.T) {
	page := "# HELP x\ngo_gc_heap_live_bytes 4.194304e+06\ngo_goroutines 12\nprocess_open_fds 9\nprocess_resident_memory_bytes 1e6\ntidemill_leader 1\nother{a=\"b\"} 3\n"
	var s sample
	if err := s.read(strings.NewReader(page)); err != nil {
		t.Fatal(err)
	}
	if s.Heap != 4<<20 || s.Goroutines != 12 || s.Files != 9 || s.Series != 6 || !s.Leader {
		t.Errorf("sample %+v", s)
	}
	if err := new(sample).read(strings.NewReader("go_goroutines 12\n")); err == nil {
		t.Error("a page without the heap is taken")
	}
}
