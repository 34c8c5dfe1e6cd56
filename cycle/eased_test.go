package cycle

import (
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// A node whose drain ran out of time again and again is taken before its time is over
// if nothing keeps it any more, and for no other reason.
func TestWhatKeptTheNodeIsOver(t *testing.T) {
	type scene struct {
		w      *worldtest.World
		pool   *v1alpha1.Pool
		budget *policyv1.PodDisruptionBudget
	}
	ago := 15 * time.Minute // it was given back, for 40 minutes
	for name, c := range map[string]struct {
		ago    time.Duration
		times  int
		alone  int
		change func(*scene)
		taken  bool
	}{
		"nothing keeps it":                          {taken: true},
		"no budget":                                 {taken: true, change: func(s *scene) { s.budget.Spec.Selector.MatchLabels["app"] = "another" }},
		"given back a moment ago":                   {ago: 9 * time.Minute},
		"the first time":                            {times: 1, ago: 5 * time.Minute},
		"as long as can be":                         {times: 9, ago: time.Second},
		"by a clock that was a day ahead":           {times: 1, ago: -26 * time.Hour, taken: true},
		"its last drain had run out of time alone":  {alone: 1, taken: true},
		"its last two drains had":                   {alone: 2},
		"the budget allows nothing":                 {change: func(s *scene) { s.budget.Status.DisruptionsAllowed = 0 }},
		"the budget is not judged yet":              {change: func(s *scene) { s.budget.Generation = 2 }},
		"a pod that must not be asked":              {change: func(s *scene) { s.w.AddPod("bare", "1", "1Gi", worldtest.On("n1")) }},
		"another node of the pool is being emptied": {change: func(s *scene) { drainingSince(s.w, &s.w.Objects.Nodes[1], time.Minute) }},
		"two budgets": {change: func(s *scene) {
			second := *s.budget
			second.Name = "second"
			s.w.Objects.PDBs = append(s.w.Objects.PDBs, second)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p := gated()
			two := intstr.FromInt32(2)
			p.Spec.Cycle.MaxUnavailable = &two
			w.Objects.PDBs = []policyv1.PodDisruptionBudget{{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", Generation: 1},
				Spec:   policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
				Status: policyv1.PodDisruptionBudgetStatus{ObservedGeneration: 1, DisruptionsAllowed: 1}}}
			pod := w.AddPod("web", "1", "1Gi", worldtest.On("n1"), worldtest.OwnedBy("ReplicaSet", "web"))
			pod.Labels = map[string]string{"app": "web"}
			if c.ago == 0 {
				c.ago = ago
			}
			if c.times == 0 {
				c.times = 3
			}
			until := w.Now.Add(Policy{SkipFor: 10 * time.Minute}.skipFor(c.times) - c.ago)
			w.Objects.Nodes[0].Annotations[v1alpha1.AnnotationSkippedUntil] = skips{until, c.times, c.alone}.String()
			if c.change != nil {
				c.change(&scene{w: w, pool: p, budget: &w.Objects.PDBs[0]})
			}
			taken := false
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				taken = taken || s.Kind == Mark && s.Node == "n1"
			}
			if taken != c.taken {
				t.Errorf("it is taken: %t\n%s", taken, words(Decide(w.Snapshot(), Policy{})))
			}
		})
	}
}

// A node says how many of its drains ran out of time with no other beside them, and
// what it says can be read again.
func TestDrainsThatRanOutAlone(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		other  bool
		after  string
	}{
		"the first":                     {after: "2026-07-31T12:10:00Z"},
		"the second":                    {before: "2026-07-31T11:10:00Z", after: "2026-07-31T12:20:00Z after 2 timeouts, 1 alone"},
		"the third":                     {before: "2026-07-31T11:10:00Z after 2 timeouts, 1 alone", after: "2026-07-31T12:40:00Z after 3 timeouts, 2 alone"},
		"another one beside the third":  {before: "2026-07-31T11:10:00Z after 2 timeouts, 1 alone", other: true, after: "2026-07-31T12:40:00Z after 3 timeouts"},
		"as earlier versions said it":   {before: "2026-07-31T11:10:00Z after 2 timeouts", after: "2026-07-31T12:40:00Z after 3 timeouts, 1 alone"},
		"more alone than there were":    {before: "2026-07-31T11:10:00Z after 2 timeouts, 900 alone", after: "2026-07-31T12:40:00Z after 3 timeouts, 3 alone"},
		"numbers that nobody has given": {before: "2026-07-31T11:10:00Z after -7 timeouts, x", after: "2026-07-31T12:20:00Z after 2 timeouts, 1 alone"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := gated()
			w.Now = time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
			w.AddPod("web", "1", "1Gi", worldtest.On("n1"), worldtest.OwnedBy("ReplicaSet", "web"))
			drainingSince(w, &w.Objects.Nodes[0], time.Hour)
			if c.before != "" {
				w.Objects.Nodes[0].Annotations[v1alpha1.AnnotationSkippedUntil] = c.before
			}
			if c.other {
				drainingSince(w, &w.Objects.Nodes[1], time.Minute)
			}
			for _, s := range Decide(w.Snapshot(), Policy{}).Steps {
				if s.Kind == Skip && s.Node == "n1" {
					if got := (skips{*s.Until, s.Tries, s.Alone}).String(); got != c.after {
						t.Errorf("it says %q, want %q", got, c.after)
					}
					return
				}
			}
			t.Errorf("it is not given back:\n%s", words(Decide(w.Snapshot(), Policy{})))
		})
	}
}
