package cycle

import (
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A person was told no; later the budget is raised, and a machine is lost and made
// anew by a run of its own. That run is not the person's: the pool is not turned
// over behind its end. Found by TestInvariants.
func TestARefusalIsNotForgotten(t *testing.T) {
	none := intstr.FromInt32(0)
	p := plot{
		set:      setting{size: 1, zones: 1, surge: none, unavailable: none, prepare: somebodys},
		capacity: 0, restore: 60, loses: 55, version: newRelease.Kubernetes, edits: true, brakes: 30,
	}
	p.set.spec = func(s *v1alpha1.CycleSpec) { s.Fallback = &v1alpha1.FallbackSpec{} }
	synctest.Test(t, func(t *testing.T) {
		if kept := p.play(t); kept[invDeadline] == 0 {
			t.Error("nothing was played")
		}
	})
}
