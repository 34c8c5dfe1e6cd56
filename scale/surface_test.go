package scale

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/api/v1alpha1"
	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/buffer"
	"github.com/tidemill/tidemill/scale/choose"
	"github.com/tidemill/tidemill/scale/limit"
)

// values are what a registry says, "name{label}" to value, without the
// namespace.
func values(t *testing.T, l *Loop) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	if err := l.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "cluster_autoscaler_")
		for _, m := range f.Metric {
			var labels []string
			for _, p := range m.Label {
				labels = append(labels, p.GetValue())
			}
			v := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			out[fmt.Sprintf("%s{%s}", name, strings.Join(labels, ","))] = v
		}
	}
	return out
}

// TestMetricsTellTheTruth looks at a world of which every number is known.
func TestMetricsTellTheTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.Policy.Limits = limit.Limits{Nodes: limit.AtMost(3), Cores: limit.Range{Min: new(float64), Max: limit.AtMost(40).Max}}
		id := p.pool("workers", 2, "ZONE-A", 1, 9)
		p.join(id)
		p.pods("web", 5, "3")
		p.look()
		got := values(t, p.Loop)
		for name, want := range map[string]float64{
			"cluster_safe_to_autoscale{}":                            1,
			"node_groups_count{}":                                    1,
			"max_nodes_count{}":                                      3,
			"cluster_cpu_current_cores{}":                            8,
			"cpu_limits_cores{maximum}":                              40,
			"cpu_limits_cores{minimum}":                              0,
			"nodes_count{ready}":                                     2,
			"nodes_count{unready}":                                   0,
			"unschedulable_pods_count{unschedulable}":                0,
			"unschedulable_pods_count{scheduler_unprocessed}":        3,
			"node_group_min_count{" + string(id) + "}":               1,
			"node_group_max_count{" + string(id) + "}":               9,
			"node_group_target_count{" + string(id) + "}":            2,
			"node_group_healthiness{" + string(id) + "}":             1,
			"node_group_backoff_status{" + string(id) + ",}":         0,
			"scaled_up_nodes_total{}":                                1,
			"tidemill_scale_pool_blocked{workers,ClusterAtMaxNodes}": 1,
			"tidemill_scale_unhelped_pods{ClusterAtMaxNodes}":        2,
			"skipped_scale_events_count{up,NodeLimit}":               1,
			"unremovable_nodes_count{" + string(Young) + "}":         2,
			"pending_node_deletions{}":                               0,
			"scale_down_in_cooldown{}":                               0,
			"last_activity{scaleUp}":                                 float64(time.Now().Unix()),
			"function_duration_seconds{main}":                        1,
			"failed_node_creations_total{}":                          0,
			"old_unregistered_nodes_removed_count{}":                 0,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s = %v (%v), want %v", name, v, ok, want)
			}
		}
		if got["cluster_memory_current_bytes{}"] == 0 {
			t.Error("no memory")
		}
		if n, last := p.said(eventMaxNodes); n != 1 || !strings.Contains(last, "3 of at most 3 nodes") {
			t.Errorf("%d events of the limit, the last %q", n, last)
		}
		p.look()
		if n, _ := p.said(eventMaxNodes); n != 0 {
			t.Errorf("the limit was told again %d times", n)
		}
	})
}

func (p *plant) configMap(name string) *corev1.ConfigMap {
	p.t.Helper()
	var cm corev1.ConfigMap
	if err := p.api.Get(p.t.Context(), client.ObjectKey{Namespace: "kube-system", Name: name}, &cm); err != nil {
		p.t.Fatal(err)
	}
	return &cm
}

func TestStatusConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.Live, p.StatusName = p.api, StatusConfigMap
		id := p.pool("workers", 2, "ZONE-A", 1, 9)
		p.join(id)
		p.pods("web", 3, "3")
		p.look()
		cm := p.configMap(StatusConfigMap)
		var s caStatus
		if err := yaml.UnmarshalStrict([]byte(cm.Data["status"]), &s); err != nil {
			t.Fatal(err)
		}
		g := s.NodeGroups[0]
		if s.AutoscalerStatus != "Running" || s.ClusterWide.Health.Status != "Healthy" || g.Name != string(id) ||
			g.Health.NodeCounts.Registered.Ready != 2 || *g.Health.MaxSize != 9 || g.ScaleUp.Status != "InProgress" {
			t.Errorf("status:\n%s", cm.Data["status"])
		}
		if _, err := time.Parse(lastUpdatedFormat, cm.Annotations[annotationLastUpdated]); err != nil {
			t.Error(err)
		}
		// While the nodes come the condition stays, and so does the time since when.
		time.Sleep(2 * time.Minute)
		p.look()
		var later caStatus
		if err := yaml.Unmarshal([]byte(p.configMap(StatusConfigMap).Data["status"]), &later); err != nil {
			t.Fatal(err)
		}
		if !later.NodeGroups[0].Health.LastTransitionTime.Equal(&g.Health.LastTransitionTime) || later.Time == s.Time {
			t.Errorf("health since %s, then since %s", g.Health.LastTransitionTime, later.NodeGroups[0].Health.LastTransitionTime)
		}
	})
}

// One that another autoscaler keeps is left to it, until it is left behind.
func TestStatusOfAnotherIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.Live, p.StatusName = p.api, StatusConfigMap
		p.pool("workers", 0, "ZONE-A", 0, 9)
		p.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: StatusConfigMap, Annotations: map[string]string{
			annotationLastUpdated: time.Now().UTC().Format(lastUpdatedFormat),
		}}, Data: map[string]string{"status": "theirs"}})
		p.look()
		if got := p.configMap(StatusConfigMap).Data["status"]; got != "theirs" {
			t.Errorf("overwritten with %q", got)
		}
		time.Sleep(11 * time.Minute)
		p.look()
		if got := p.configMap(StatusConfigMap).Data["status"]; !strings.Contains(got, "autoscalerStatus: Running") {
			t.Errorf("left behind, and still %q", got)
		}
	})
}

// The priorities are read live; what cannot be read is said once and changes
// nothing.
func TestPrioritiesAreLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.Live, p.Policy.Expander = p.api, "priority,least-waste"
		a, b := p.pool("a", 0, "ZONE-A", 0, 20), p.pool("b", 0, "ZONE-B", 0, 20)
		p.look()
		p.look()
		if n, _ := p.said(eventPrioritiesMissing); n != 1 {
			t.Errorf("that there are no rules was said %d times", n)
		}
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: choose.PriorityConfigMap},
			Data: map[string]string{choose.PrioritiesKey: "10: [^a$]\n20: [^b$]"}}
		p.create(cm)
		p.pods("one", 1, "3")
		p.look()
		cm.Data[choose.PrioritiesKey] = "10: [^a$]\n5: ['(']"
		if err := p.api.Update(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
		p.pods("two", 1, "3")
		p.look()
		p.look()
		if n, last := p.said(eventPrioritiesInvalid); n != 1 || !strings.Contains(last, "the last good rules stay") {
			t.Errorf("that the rules are bad was said %d times, the last %q", n, last)
		}
		if v := values(t, p.Loop)["tidemill_scale_priorities_invalid{}"]; v != 1 {
			t.Errorf("tidemill_scale_priorities_invalid = %v", v)
		}
		cm.Data[choose.PrioritiesKey] = "10: [^a$]\n5: [^b$]"
		if err := p.api.Update(t.Context(), cm); err != nil {
			t.Fatal(err)
		}
		p.pods("three", 1, "3")
		p.look()
		equal(t, "resizes", p.resizes(), []string{string(b) + " 0->1", string(b) + " 1->2", string(a) + " 0->1"})
	})
}

func wishObject(kind, version, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "autoscaling.x-k8s.io", Version: version, Kind: kind})
	u.SetNamespace("default")
	u.SetName(name)
	return u
}

// reasonOf is the status and reason of a condition of a wish's object.
func (p *plant) reasonOf(u *unstructured.Unstructured, kind string) string {
	p.t.Helper()
	if err := p.api.Get(p.t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
		p.t.Fatal(err)
	}
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, item := range list {
		if m := item.(map[string]any); m["type"] == kind {
			return fmt.Sprint(m["status"], " ", m["reason"])
		}
	}
	return ""
}

// A buffer makes a pool grow, keeps its nodes, and is told so; a question is
// answered and nothing grows for it; a malformed wish stops nobody.
func TestWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.Wishes = &buffer.Source{Live: p.api}
		id := p.pool("workers", 0, "ZONE-A", 0, 9)
		tmpl := &corev1.PodTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
		tmpl.Template.Spec = worldtest.New().AddPod("x", "3", "1Gi").Spec
		room := wishObject("CapacityBuffer", "v1beta1", "room", map[string]any{"podTemplateRef": map[string]any{"name": "web"}, "replicas": int64(2)})
		bad := wishObject("CapacityBuffer", "v1beta1", "bad", map[string]any{"replicas": int64(-2)})
		sets := []any{map[string]any{"count": int64(3), "podTemplateRef": map[string]any{"name": "web"}}}
		check := wishObject("ProvisioningRequest", "v1", "check", map[string]any{"provisioningClassName": buffer.ClassCheck, "podSets": sets})
		p.create(tmpl, room, bad, check)
		p.look()
		equal(t, "resizes", p.resizes(), []string{string(id) + " 0->2"})
		for _, tt := range []struct {
			u          *unstructured.Unstructured
			kind, want string
		}{
			{room, "Provisioning", "True CapacityIsComing"},
			{bad, "ReadyForProvisioning", "False NotReady"},
			{check, "Provisioned", "False CapacityIsNotFound"},
		} {
			if got := p.reasonOf(tt.u, tt.kind); got != tt.want {
				t.Errorf("%s is told %s=%q, want %q", tt.u.GetName(), tt.kind, got, tt.want)
			}
		}
		if n, _ := p.said(eventNotTriggered); n != 0 {
			t.Errorf("%d events about pods that do not exist", n)
		}
		// The nodes come, stand empty for long, and stay: the buffer is their use.
		time.Sleep(time.Minute)
		p.join(id)
		for range 5 {
			time.Sleep(5 * time.Minute)
			p.look()
		}
		if got := p.reasonOf(room, "Provisioning"); got != "True CapacityIsThere" {
			t.Errorf("the buffer is told %q", got)
		}
		var nodes corev1.NodeList
		if err := p.api.List(t.Context(), &nodes); err != nil || len(nodes.Items) != 2 {
			t.Fatalf("%d nodes, %v", len(nodes.Items), err)
		}
		for _, n := range nodes.Items {
			if n.Spec.Unschedulable || n.Annotations[v1alpha1.AnnotationDisruption] != "" {
				t.Errorf("node %s is let go", n.Name)
			}
		}
		// Without the buffer they go.
		if err := p.api.Delete(t.Context(), room); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			time.Sleep(5 * time.Minute)
			p.look()
		}
		if n := get(p, nodes.Items[0].Name, &corev1.Node{}); n.Annotations[v1alpha1.AnnotationDisruption] == "" {
			t.Error("an idle node stays after its buffer is gone")
		}
	})
}
