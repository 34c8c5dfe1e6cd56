package sim

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// twoLeaders is a leader whose elections get no answer and who does not notice
// for ten minutes, while another takes over and both have a cycle to do.
func twoLeaders(w *World) {
	w.mix.replicas = 2
	w.procs[0].deaf = time.Now().Add(10 * time.Minute)
	for range w.pools {
		w.annotate(v1alpha1.AnnotationCycle, "two")
	}
	w.load(1)
	for began := time.Now(); w.ok() && time.Since(began) < 10*time.Minute; {
		w.gentle()
	}
}

func TestTwoLeadersFenced(t *testing.T) {
	o := options(1)
	o.Gentle, o.Zombies, o.Story = true, true, twoLeaders
	if r := Run(t, o); r.Violation != nil || r.Kept[keepLeader] < 20 {
		t.Errorf("%s; %d writes by leaders", r, r.Kept[keepLeader])
	}
}

// Without the fence the same story must fail, or it proves nothing.
func TestTwoLeadersUnfenced(t *testing.T) {
	o := options(1)
	o.Gentle, o.Zombies, o.Unfenced, o.Story = true, true, true, twoLeaders
	if r := Run(t, o); r.Violation == nil || r.Violation.Promise != keepLeader {
		t.Errorf("nothing was found without the fence: %s", r)
	}
}
