package cycle

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// Whatever stands for maxSurge and maxUnavailable, the budget is an error or
// numbers that a pool can have: none below 0, and no arithmetic that turns over.
func FuzzPercent(f *testing.F) {
	for _, seed := range []string{"10%", "0", "-5%", "100%", "101%", "1e3%", "%", " 1%", "９%", "2147483647", "99999999999%", "0x10"} {
		f.Add(seed, seed, 10, 3)
	}
	f.Add("10%", "0%", 1<<30, 0)
	f.Fuzz(func(t *testing.T, surge, unavailable string, desired, zones int) {
		s, u := intstr.Parse(surge), intstr.Parse(unavailable)
		desired, zones = min(max(desired, 0), 100000), min(max(zones, 0), 12)
		b, err := BudgetOf(&v1alpha1.CycleSpec{MaxSurge: &s, MaxUnavailable: &u}, desired, zones)
		if err != nil {
			return
		}
		for what, n := range map[string]int{"surge": b.Surge, "unavailable": b.Unavailable, "floor": b.Floor(), "zone floor": b.ZoneFloor(), "grow": b.Grow(desired, desired, desired)} {
			if n < 0 {
				t.Errorf("%s of %q, %q at %d is %d", what, surge, unavailable, desired, n)
			}
		}
		if b.Floor() > desired || b.Ceiling() < desired || b.Grow(desired, desired, desired) > b.Surge {
			t.Errorf("%q, %q at %d: floor %d, ceiling %d, grows by %d", surge, unavailable, desired, b.Floor(), b.Ceiling(), b.Grow(desired, desired, desired))
		}
	})
}

// Whatever is written for a window, it is an error or a window that says when it
// changes, in the future; it never stops the daemon.
func FuzzWindow(f *testing.F) {
	for _, seed := range [][3]string{{"0 22 * * *", "6h", "Europe/Berlin"}, {"@daily", "1h", ""}, {"TZ=0", "1h", ""}, {"CRON_TZ=UTC", "1h", "UTC"}, {"0 0 30 2 *", "1h", ""},
		{"*/0 * * * *", "1h", ""}, {"@every 1ns", "1h", ""}, {"0 2 * * *", "-1h", "../../etc/passwd"}, {"59 23 29 2 *", "168h", "Pacific/Apia"}, {"", "", ""}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	now := time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC) // the night in which Europe's clocks change
	f.Fuzz(func(t *testing.T, schedule, duration, zone string) {
		d, _ := time.ParseDuration(duration)
		began := time.Now()
		open, change, err := windowsAt([]v1alpha1.CycleWindow{{Schedule: schedule, TimeZone: zone, Duration: metav1.Duration{Duration: d}}}, now)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q took %s", schedule, took)
		}
		if err == nil && !change.IsZero() && !change.After(now) {
			t.Errorf("%q for %s in %q: open %v until %s, which is past", schedule, duration, zone, open, change)
		}
	})
}

// Whatever people write into the annotations of a Pool and a Node, the same look
// gives the same plan, no step is taken on a node that is protected, and nothing
// that is said is longer than an event.
func FuzzRequest(f *testing.F) {
	f.Add("now", "v1.37.0", "false", "", "", "", "true", "doctor/replace/ready/2026-03-01T11:49:00Z")
	f.Add("", "v99999999999999.0.0", "yes", "x", "y", "2026-03-01T00:00:00Z", "2h", "again")
	f.Add("\x1b[2J", "v1.36.3\n", "\xff", strings.Repeat("a", 70000), "", "now", "-1h", "doctor/delete/everything/now")
	f.Fuzz(func(t *testing.T, ask, version, pause, abort, rollback, approve, keep, node string) {
		decide := func() Plan {
			w := worldtest.New()
			w.AddPool("workers", "4", "16Gi", func(p *v1alpha1.Pool) {
				p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}
				p.Annotations = map[string]string{v1alpha1.AnnotationCycle: ask, v1alpha1.AnnotationUpgradeTo: version, v1alpha1.AnnotationPause: pause,
					v1alpha1.AnnotationAbort: abort, v1alpha1.AnnotationRollback: rollback, v1alpha1.AnnotationApprove: approve}
			})
			w.AddNode("workers", "n1").Annotations[v1alpha1.AnnotationDoNotDisrupt] = keep
			w.AddNode("workers", "n2").Annotations[v1alpha1.AnnotationCycle] = node
			return Decide(w.Snapshot(), Policy{})
		}
		plan := decide()
		if again := decide(); !cmp.Equal(sentences(plan), sentences(again)) {
			t.Errorf("two plans for one look (-one +other):\n%s", cmp.Diff(sentences(plan), sentences(again)))
		}
		for _, s := range plan.Steps {
			if s.Kind == DeleteInstance {
				t.Errorf("a machine goes that nobody emptied: %s", s)
			}
			if len(shorten(s.String())) > 512 {
				t.Errorf("%s says %d bytes", s.Kind, len(s.String()))
			}
		}
	})
}

// sentences are the plan's steps as they are told.
func sentences(p Plan) (out []string) {
	for _, s := range p.Steps {
		out = append(out, s.String())
	}
	return out
}
