package doctor

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// Repairs share one budget: a number for each pool, one for the cluster, and a
// day's limit for a pool; what is under way counts.
func TestAllot(t *testing.T) {
	broken := func(c *clinic) { // three that broke hours apart, which no brake minds
		for i, n := range []string{"n1", "n2", "n3"} {
			c.condemn(n, time.Duration(11+3*i)*time.Hour)
		}
		c.roomy()
	}
	for _, x := range []struct {
		name   string
		tell   func(c *clinic)
		asked  int
		reason RepairReason
	}{
		{"one at a time", func(*clinic) {}, 1, ReasonParallel},
		{"one is asked for already", func(c *clinic) {
			c.request("n4", "doctor/reboot/ready/2026-03-01T11:49:00Z")
			c.condemn("n4", 20*time.Hour)
		}, 0, ReasonParallel},
		{"one was asked for, and a person has aborted it", func(c *clinic) {
			c.aborted("n4")
			c.condemn("n4", 20*time.Hour)
		}, 1, ReasonParallel},
		{"one is being carried out", func(c *clinic) { kube.SetMark(c.node("n4"), kube.Mark{Cause: kube.CauseRepair}) }, 0, ReasonParallel},
		{"a pool that allows many, in a cluster that allows two", func(c *clinic) { c.policy.ClusterParallel = 2; c.pool().Spec.Repair.MaxParallel = new(int32(5)) }, 2, ReasonParallel},
		{"the day's limit", func(c *clinic) {
			var recent []v1alpha1.RecentRepair
			for i := range 3 {
				recent = append(recent, v1alpha1.RecentRepair{Node: fmt.Sprintf("gone%d", i), Action: v1alpha1.ActionReboot, Check: "lease", At: metav1.NewTime(c.Now.Add(-time.Duration(3+i) * time.Hour))})
			}
			c.pool().Status.Repair = &v1alpha1.RepairStatus{Recent: recent}
		}, 0, ReasonPoolLimit},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := ward(20)
			broken(c)
			x.tell(c)
			_, plan := c.decide(t)
			asked := 0
			for _, n := range []string{"n1", "n2", "n3"} {
				r := repairOf(plan, n)
				switch {
				case r != nil && r.Act == ActRequest:
					asked++
				case r == nil || r.Reason != x.reason:
					t.Errorf("%s: %+v, want it to wait for %s", n, r, x.reason)
				}
			}
			if asked != x.asked {
				t.Errorf("%d are asked for, want %d", asked, x.asked)
			}
		})
	}
}
