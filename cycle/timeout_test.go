package cycle

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// What becomes of a node that does not become empty, and of the others meanwhile.
func TestWhenADrainRunsOutOfTime(t *testing.T) {
	closed := []v1alpha1.CycleWindow{{Schedule: "0 3 1 1 *", Duration: metav1.Duration{Duration: time.Minute}}}
	minutes := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Minute} }
	for name, c := range map[string]struct {
		drain   v1alpha1.DrainSpec
		cause   kube.Cause
		room    int // maxUnavailable
		minutes int // since its drain began
		windows []v1alpha1.CycleWindow
		job     bool
		step    Kind
		force   bool
		other   bool // whether another node is begun
	}{
		"in time":                           {minutes: 29, room: 2, step: Drain, other: true},
		"skipped by default":                {minutes: 30, room: 2, step: Skip, other: true},
		"its own timeout":                   {drain: v1alpha1.DrainSpec{Timeout: minutes(40)}, minutes: 30, room: 2, step: Drain, other: true},
		"a Job's time comes first":          {drain: v1alpha1.DrainSpec{WaitForJobs: minutes(60)}, minutes: 80, job: true, room: 2, step: Drain, other: true},
		"and the timeout after":             {drain: v1alpha1.DrainSpec{WaitForJobs: minutes(60)}, minutes: 90, job: true, room: 2, step: Skip, other: true},
		"paused":                            {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainPause}, minutes: 31, room: 2, step: Drain},
		"quarantined":                       {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainQuarantine}, minutes: 31, room: 2, step: Drain, other: true},
		"no room for a quarantine":          {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainQuarantine}, minutes: 31, room: 1, step: Skip},
		"forced":                            {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce}, minutes: 31, room: 2, step: Drain, force: true, other: true},
		"not forced yet":                    {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce, ForceAfter: minutes(10)}, minutes: 39, room: 2, step: Drain, other: true},
		"forced at last":                    {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce, ForceAfter: minutes(10)}, minutes: 40, room: 2, step: Drain, force: true, other: true},
		"not forced before its time":        {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce}, minutes: 29, room: 2, step: Drain, other: true},
		"not forced outside a window":       {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce}, minutes: 31, windows: closed, room: 2, step: Drain},
		"nobody needs a scale-down to last": {drain: v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainForce}, cause: kube.CauseScaleDown, minutes: 31, room: 2, step: Release, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			room, none := intstr.FromInt(c.room), intstr.FromInt32(0)
			p.Spec.Cycle.MaxUnavailable, p.Spec.Cycle.MaxSurge = &room, &none
			p.Spec.Cycle.Drain, p.Spec.Cycle.Windows, p.Spec.Cycle.Gates = &c.drain, c.windows, nil
			drainingSince(w, &w.Objects.Nodes[0], time.Duration(c.minutes)*time.Minute)
			if c.cause != "" {
				m, _ := kube.MarkOf(&w.Objects.Nodes[0])
				m.Cause = c.cause
				kube.SetMark(&w.Objects.Nodes[0], *m)
			}
			kind := "ReplicaSet"
			if c.job {
				kind = "Job"
			}
			w.AddPod("a", "1", "1Gi", worldtest.On(w.Objects.Nodes[0].Name), worldtest.OwnedBy(kind, "a"))
			var step Step
			other := false
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				if s.Node == w.Objects.Nodes[0].Name && (s.Kind == Drain || s.Kind == Skip || s.Kind == Release) {
					step = s
				}
				other = other || s.Kind == Mark
			}
			if step.Kind != c.step || step.Force != c.force || other != c.other {
				t.Errorf("step %q, force %v, another begun %v; want %q, %v, %v", step.Kind, step.Force, other, c.step, c.force, c.other)
			}
		})
	}
}

// Of drains that began in one instant as many stay in quarantine as of others: a
// place of the budget is left, or nothing would ever go on.
func TestOnePlaceIsLeftByQuarantine(t *testing.T) {
	w, p := gated()
	for _, name := range []string{"n3", "n4"} {
		w.AddNode("workers", name)
	}
	room, none := intstr.FromInt32(2), intstr.FromInt32(0)
	p.Spec.Cycle.MaxUnavailable, p.Spec.Cycle.MaxSurge = &room, &none
	p.Spec.Cycle.Drain = &v1alpha1.DrainSpec{OnTimeout: v1alpha1.DrainQuarantine}
	for i := range 3 {
		n := &w.Objects.Nodes[i]
		drainingSince(w, n, time.Hour)
		w.AddPod("pod-"+n.Name, "1", "1Gi", worldtest.On(n.Name), worldtest.OwnedBy("ReplicaSet", "a"))
	}
	said := map[Kind][]string{}
	for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
		said[s.Kind] = append(said[s.Kind], s.Node)
	}
	if len(said[Drain]) != 1 || len(said[Skip]) != 2 {
		t.Errorf("%v stay in quarantine and %v are given back; of three one may stay, with room for two", said[Drain], said[Skip])
	}
}

// A node that was skipped says so until it is tried again, and not when the run
// has ended, or its time has passed without one.
func TestSkipIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		run, abort bool
		in         time.Duration
		want       bool
	}{
		"in a run":                  {true, false, time.Minute, false},
		"at the end of a run":       {true, true, time.Minute, true},
		"without one, not over yet": {false, false, time.Minute, false},
		"without one, over":         {false, false, -time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			none := intstr.FromInt32(0)
			p.Spec.Cycle.MaxUnavailable = &none
			if c.abort {
				p.Annotations[v1alpha1.AnnotationAbort] = "x"
			}
			if !c.run {
				p.Status.Cycle, p.Annotations = nil, nil
			}
			until := w.Now.Add(c.in)
			w.Objects.Nodes[0].Annotations[v1alpha1.AnnotationSkippedUntil] = clock(&until)
			forgot := false
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				forgot = forgot || s.Kind == Forget && s.Node == w.Objects.Nodes[0].Name && !s.Keep
			}
			if forgot != c.want {
				t.Errorf("forgotten %v, want %v", forgot, c.want)
			}
		})
	}
}

// Where so many nodes refuse to become empty as may, nothing new is begun, and they are
// tried again: nobody else would end that.
func TestWhoRefusesIsTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		in       time.Duration // until it is tried again
		draining bool
		begun    string
	}{
		"not yet":           {in: time.Minute},
		"its time has come": {in: -time.Minute, begun: "n1"},
		"while it is tried": {in: -time.Minute, draining: true},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			room, none := intstr.FromInt32(2), intstr.FromInt32(0)
			one := int32(1)
			p.Spec.Cycle.MaxUnavailable, p.Spec.Cycle.MaxSurge, p.Spec.Cycle.MaxBlocked = &room, &none, &one
			for i := range w.Objects.Nodes {
				n := &w.Objects.Nodes[i]
				w.AddPod("pod-"+n.Name, "1", "1Gi", worldtest.On(n.Name), worldtest.OwnedBy("ReplicaSet", "a"))
			}
			first, until := &w.Objects.Nodes[0], w.Now.Add(c.in)
			if c.draining {
				drainingSince(w, first, time.Minute)
			}
			first.Annotations[v1alpha1.AnnotationSkippedUntil] = clock(&until)
			var begun string
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				if s.Kind == Mark {
					begun += s.Node
				}
			}
			if begun != c.begun {
				t.Errorf("%q is begun, want %q", begun, c.begun)
			}
		})
	}
}
