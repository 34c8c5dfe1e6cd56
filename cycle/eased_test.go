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
		change func(*scene)
		taken  bool
	}{
		"nothing keeps it":                          {taken: true},
		"no budget":                                 {taken: true, change: func(s *scene) { s.budget.Spec.Selector.MatchLabels["app"] = "another" }},
		"given back a moment ago":                   {ago: 9 * time.Minute},
		"the first time":                            {times: 1, ago: 5 * time.Minute},
		"as long as can be":                         {times: 9, ago: time.Second},
		"by a clock that was a day ahead":           {times: 1, ago: -26 * time.Hour, taken: true},
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
			w.Objects.Nodes[0].Annotations[v1alpha1.AnnotationSkippedUntil] = skipNote(until, c.times)
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
