package scale

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/choose"
	"github.com/tidemill/tidemill/scale/limit"
)

// decideStory is the plan for a world in words.
func decideStory(t *testing.T, text string) (Plan, error) {
	t.Helper()
	return Decide(tell(t, text).Snapshot(), policyOf(t, text))
}

// policyOf reads the lines "policy of key=value ...".
func policyOf(t *testing.T, text string) Policy {
	t.Helper()
	var p Policy
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "policy" {
			continue
		}
		pairs := words{}
		for _, f := range fields[2:] {
			k, v, _ := strings.Cut(f, "=")
			pairs[k] = v
		}
		p.Expander = pairs.take("expander", "")
		_, p.Balance = pairs["balance"]
		pairs.take("balance", "")
		if n := pairs.number(t, "nodes", 0); n > 0 {
			p.Limits.Nodes = limit.AtMost(float64(n))
		}
		r, err := limit.ParseRange(pairs.take("cores", ""))
		if err != nil {
			t.Fatal(err)
		}
		p.Limits.Cores = r
		if n := pairs.number(t, "cents", 0); n > 0 {
			p.Limits.Spend = limit.AtMost(float64(n) / 100)
		}
		p.DelayAfterFailure = pairs.duration(t, "afterfailure", "0s")
		p.MaxGrowth = pairs.number(t, "most", 0)
		if rules := pairs.take("priorities", ""); rules != "" {
			if p.Priorities, err = choose.ParsePriorities(strings.NewReplacer(";", "\n", "_", " ").Replace(rules)); err != nil {
				t.Fatal(err)
			}
		}
		if len(pairs) > 0 {
			t.Fatalf("policy: unknown words %v", pairs)
		}
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p
}

// tellChoice are a pool's words about choice and bounds.
func tellChoice(t *testing.T, w *worldtest.World, name string, p words) {
	t.Helper()
	cp := &w.Cloud.Pools[len(w.Cloud.Pools)-1]
	object := &w.Objects.Pools[len(w.Objects.Pools)-1]
	cp.Shape = p.take("shape", "")
	_, cp.Preemptible = p["preemptible"]
	p.take("preemptible", "")
	if n := p.number(t, "priority", 0); n != 0 {
		object.Spec.Scale.Priority = int32(n)
	}
	if n := int64(p.number(t, "maxcores", 0)); n != 0 {
		object.Spec.Scale.Limits = &v1alpha1.ScaleLimits{Cores: &n}
	}
	if v := p.take("maxspend", ""); v != "" {
		q := resource.MustParse(v)
		object.Spec.Scale.Limits = &v1alpha1.ScaleLimits{SpendPerHour: &q}
	}
	if zone := p.take("lacking", ""); zone != "" {
		until := metav1.NewTime(w.Now.Add(4 * time.Minute))
		object.Status.Scale = &v1alpha1.ScaleStatus{BackoffUntil: &until, Failures: 1, Reason: "OutOfHostCapacity", Message: "OutOfHostCapacity",
			Zones: []v1alpha1.ZoneBackoff{{Zone: zone, Until: until, Failures: 1}}}
	}
	if left := p.duration(t, "fuse", "0s"); left > 0 {
		object.Status.Scale = &v1alpha1.ScaleStatus{Fuse: &v1alpha1.FuseRecord{Until: metav1.NewTime(w.Now.Add(left)), Message: "6 of 6 new nodes took no pod, and pods still ask for more"}}
	}
	for i := range cp.Placements {
		for _, l := range []struct{ word, key string }{{"team", "team"}, {"arch", corev1.LabelArchStable}} {
			if v, ok := p[l.word]; ok {
				cp.Placements[i].Template.Labels[l.key] = v
			}
		}
	}
	p.take("team", "")
	p.take("arch", "")
}

// podTies are a pod's words about others that it needs.
func podTies(p words) func(*corev1.Pod) {
	group, arch := p.take("group", ""), p.take("arch", "")
	return func(o *corev1.Pod) {
		if group != "" {
			o.Labels["scheduling.x-k8s.io/pod-group"] = group
		}
		if arch != "" {
			o.Spec.NodeSelector = map[string]string{corev1.LabelArchStable: arch}
		}
	}
}

// TestComplaints has one story for each row of the complaints about
// cluster-autoscaler that are known, and what its plan must say. The whole plan
// stands in the story.
func TestComplaints(t *testing.T) {
	for _, tt := range []struct {
		story, complaint string
		says             []string
	}{
		{"complaint_01_many_groups", "30 app groups over 3 zones take minutes, group after group (KA 5769, 3835)",
			[]string{"grow pool a from 0 to 2", "grow pool b from 0 to 2", "grow pool c from 0 to 2"}},
		{"complaint_02_one_decision", "one decision per loop (KA 9606, 5731)",
			[]string{"grow pool gpu from 0 to 1", "grow pool small from 0 to 1"}},
		{"complaint_03_spread", "hard topology spread gets one node per loop (KA 9150, 6270)",
			[]string{"grow pool workers from 0 to 9 for 9 pods"}},
		{"complaint_04_bad_group", "one bad group stops everything (KA 6128, 7928)",
			[]string{"grow pool good from 0 to 1", "pool bad cannot grow: BackedOff", "pool fused cannot grow: Runaway"}},
		{"complaint_05_from_zero", "a node from zero is thought larger than it is, for want of DaemonSets (KA 2165, 4893)",
			[]string{"pod default/web is not helped: NoPoolFits"}},
		{"complaint_06_random_template", "a random real node stands for all (KA 2057, 3856)",
			[]string{"grow pool workers from 1 to 2 for 1 pod"}},
		{"complaint_07_cost", "no view of cost (KA 389)",
			[]string{"grow pool cheap from 0 to 2 for 8 pods"}},
		{"complaint_08_slow_down", "an empty node waits for a drain; timers are lost at a restart (KA 5079, 7873)",
			[]string{"let node empty of pool workers go: Empty, unneeded for 12m", "Disrupted, by scale-down"}},
		{"complaint_09_oscillation", "a node added for pods is removed before they are on it (KA 1471, 7382)",
			[]string{"node fresh of pool workers stays: Young"}},
		{"complaint_10_upgrade", "fights with upgrades (KA 8494)",
			[]string{"PoolCycling"}},
		{"complaint_11_failed_at_min", "failed nodes at the minimum are never removed (AKS 5488)",
			[]string{"take back 1 of pool workers, 2 to 1: OutOfHostCapacity"}},
		{"complaint_12_volume_zone", "a pod with a volume waits for a node in its zone (KA 7295)",
			[]string{"pod default/db gets a new node of pool workers"}},
	} {
		t.Run(tt.story, func(t *testing.T) {
			a, err := txtar.ParseFile(filepath.Join("testdata", tt.story+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			plan, err := decideStory(t, string(a.Files[0].Data))
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range tt.says {
				if !strings.Contains(plan.String(), line) {
					t.Errorf("%s\nthe plan does not say %q:\n%s", tt.complaint, line, plan)
				}
			}
		})
	}
	if files, _ := filepath.Glob("testdata/complaint_*.txt"); len(files) != 12 {
		t.Errorf("%d stories of complaints, 12 rows", len(files))
	}
}
