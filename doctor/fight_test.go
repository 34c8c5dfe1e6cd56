package doctor

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Somebody else writes over the verdict of every node as often as it is put
// right. The doctor puts it right once a look and node, not more: a fight costs
// what the interval allows, and nothing in between.
func TestFightIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 3)
		p.look(t)
		for range 20 {
			for _, name := range []string{"n1", "n2", "n3"} {
				n := p.node(t, name)
				for i := range n.Status.Conditions {
					if c := &n.Status.Conditions[i]; c.Type == v1alpha1.NodeConditionProblem {
						c.Status, c.Reason, c.Message = corev1.ConditionTrue, "Mine", "no, mine"
					}
				}
				if err := p.api.Status().Update(t.Context(), n); err != nil {
					t.Fatal(err)
				}
			}
			*p.writes = 0
			time.Sleep(10 * time.Second)
			p.look(t)
			if *p.writes != 3 {
				t.Fatalf("%d writes in a look for 3 nodes", *p.writes)
			}
			if c := condition(p.node(t, "n1"), v1alpha1.NodeConditionProblem); c.Status != corev1.ConditionFalse {
				t.Fatalf("the verdict of another stands: %+v", c)
			}
		}
		if told := p.told(); len(told) > 3*20 {
			t.Errorf("%d events for 20 looks at 3 nodes", len(told))
		}
	})
}
