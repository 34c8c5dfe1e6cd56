package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// What somebody with rights on pods, or a node with rights on itself, writes when he means harm:
// everything that the API server lets through.

// bell is text that a terminal obeys: it clears the screen, rings, and turns the
// direction of reading.
const bell = "\x1b[2J\x1b[31m\a\u202e\r\nlevel=INFO msg=forged"

// quarter is almost as much as annotations may be, together.
var quarter = strings.Repeat("x", 200<<10)

// hostilePods are pods that the API server takes.
func hostilePods() []*corev1.Pod {
	var pods []*corev1.Pod
	add := func(name, cpu string, notes map[string]string, change ...func(*corev1.PodSpec)) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "hostile", Name: name, Annotations: notes, Labels: map[string]string{"app": "hostile"}},
			Spec: corev1.PodSpec{TerminationGracePeriodSeconds: new(int64), Containers: []corev1.Container{{
				Name: "app", Image: "registry.k8s.io/pause:3.10", Resources: corev1.ResourceRequirements{Requests: ask(cpu, "64Mi")}}}}}
		for _, c := range change {
			c(&p.Spec)
		}
		pods = append(pods, p)
	}
	add("endless", "9223372036854775807", map[string]string{"example.com/much": quarter})
	add("nano", "1n", map[string]string{v1alpha1.AnnotationDoNotDisrupt: bell, v1alpha1.AnnotationSafeToEvict: "perhaps", v1alpha1.AnnotationScaleUpDelay: "-9999999h"})
	add("later", "100m", map[string]string{v1alpha1.AnnotationScaleUpDelay: "292y", v1alpha1.AnnotationDoNotDisrupt: "9999999999999h"})
	add("nowhere", "100m", nil, func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"no": "such"} })
	add("choosy", "100m", nil, func(s *corev1.PodSpec) {
		var terms []corev1.NodeSelectorTerm
		for i := range 500 {
			terms = append(terms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "k", Operator: corev1.NodeSelectorOpGt, Values: []string{fmt.Sprint(int64(1)<<62 + int64(i))}}}})
		}
		s.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
	})
	add("many", "100m", nil, func(s *corev1.PodSpec) {
		for i := range 200 {
			s.InitContainers = append(s.InitContainers, corev1.Container{Name: fmt.Sprintf("i%d", i), Image: "x", Env: []corev1.EnvVar{{Name: "X", Value: quarter[:2000] + bell}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceName(fmt.Sprintf("example.com/r%d", i)): resource.MustParse("9E")},
					Limits: corev1.ResourceList{corev1.ResourceName(fmt.Sprintf("example.com/r%d", i)): resource.MustParse("9E")}}})
		}
	})
	add("spread", "100m", nil, func(s *corev1.PodSpec) {
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1 << 30, TopologyKey: "nobody.has/it", WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "x", Operator: metav1.LabelSelectorOpDoesNotExist}}}}}
	})
	return pods
}

// hostileBudgets contradict each other and themselves.
func hostileBudgets() []*policyv1.PodDisruptionBudget {
	var list []*policyv1.PodDisruptionBudget
	for name, v := range map[string]intstr.IntOrString{"most": intstr.FromInt(1 << 30), "all": intstr.FromString("100%"), "none": intstr.FromString("0%")} {
		list = append(list, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "hostile", Name: name, Annotations: map[string]string{"a": quarter}},
			Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &v, Selector: &metav1.LabelSelector{}}})
	}
	return list
}

// hostileNotes are annotations of tidemill's own keys, and others that it reads,
// as a node or a careless person may write them.
var hostileNotes = map[string]string{
	v1alpha1.AnnotationDisruption:        `{"cause":"` + bell + `","since":"never","nodeUID":{}}`,
	v1alpha1.AnnotationUnneededSince:     "the day before yesterday",
	v1alpha1.AnnotationSkippedUntil:      "+292277026596-12-04T15:30:07Z",
	v1alpha1.AnnotationRepairs:           strings.Repeat("[", 50<<10),
	v1alpha1.AnnotationRenewed:           "\u0000\ufffd",
	v1alpha1.AnnotationScaleDownKept:     bell,
	v1alpha1.AnnotationScaleDownDisabled: "TRUE?",
	v1alpha1.AnnotationNodePoolID:        "ocid1.nodepool.oc1.iad." + strings.Repeat("a", 5000),
}

// hostileObjects plants all of it; a pod that needs a node is served all the same,
// no pool grows for what can never run, and all that is said is plain.
func hostileObjects(t *testing.T, s *Stage) {
	ctx := within(t, 10*time.Minute)
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "hostile"}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "impostor", Annotations: hostileNotes}, Spec: corev1.NodeSpec{ProviderID: "oci://" + quarter[:5000]}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cluster-autoscaler-priority-expander"}, Data: map[string]string{"priorities": "- [" + bell + quarter}},
	}
	for _, b := range hostileBudgets() {
		objects = append(objects, b)
	}
	for _, p := range hostilePods() {
		objects = append(objects, p)
	}
	defer removeAll(ctx, t, s, objects)
	for _, o := range objects {
		if err := s.Client.Create(ctx, o); err != nil {
			t.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"conditions": []map[string]string{
			{"type": "Ready", "status": "Perhaps", "reason": "X", "message": strings.Repeat("y", 300<<10)},
			{"type": v1alpha1.NodeConditionHost, "status": "True", "reason": "Forged", "message": "forged" + bell},
		},
		"allocatable": map[string]string{"cpu": "1e18", "memory": "1"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Status().Patch(ctx, objects[1], client.RawPatch("application/merge-patch+json", status)); err != nil {
		t.Fatal(err)
	}
	before := s.Size("workers")
	honest := Workload{Name: "honest", Replicas: int32(9*before + 1), Requests: ask("400m", "1Gi")}
	if err := s.Deploy(ctx, honest); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "honest pods to be served beside hostile ones", 2*time.Minute, s.allRun(honest)); err != nil {
		t.Error(err)
	}
	if size := s.Size("workers"); size > before+2 {
		t.Errorf("workers grew from %d to %d: for pods that can never run", before, size)
	}
	saidPlainly(ctx, t, s)
	if err := s.Remove(ctx, honest); err != nil {
		t.Error(err)
	}
	removeAll(ctx, t, s, objects) // pods without an owner keep their nodes
	if err := s.Wait(ctx, "workers to be as before", 2*time.Minute, s.sizeIs("workers", before)); err != nil {
		t.Error(err)
	}
	if err := s.atRest(ctx, "workers"); err != nil {
		t.Error(err)
	}
}

func removeAll(ctx context.Context, t *testing.T, s *Stage, objects []client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := client.IgnoreNotFound(s.Client.Delete(ctx, o, client.GracePeriodSeconds(0))); err != nil {
			t.Errorf("delete %s: %v", o.GetName(), err)
		}
	}
}

// saidPlainly checks that nothing that is read on a terminal can act on it.
func saidPlainly(ctx context.Context, t *testing.T, s *Stage) {
	t.Helper()
	log, err := os.ReadFile(s.Daemon.Log())
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{"log": string(log)}
	for _, command := range []string{"status", "plan", "doctor"} {
		out, talk, code, err := s.CLI(ctx, command)
		if err != nil || code > 1 {
			t.Errorf("tidemill %s: exit %d, %v\n%s", command, code, err, talk)
		}
		said[command] = out + talk
	}
	var events corev1.EventList
	if err := s.Client.List(ctx, &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events.Items {
		if strings.HasPrefix(e.Source.Component+e.ReportingController, "tidemill") {
			said["events"] += e.Message + "\n"
		}
	}
	for where, text := range said {
		if i := strings.IndexAny(text, "\x1b\a\r\u202e"); i >= 0 {
			t.Errorf("%s: %q", where, text[max(0, i-60):min(len(text), i+60)])
		}
		if len(text) > 8<<20 {
			t.Errorf("%s has %d bytes", where, len(text))
		}
	}
}

// fought is another controller that takes away what tidemill writes on a Node the
// moment it is there. Neither stops, so that the only question is how often.
func fought(t *testing.T, s *Stage) {
	const long = 15 * time.Second
	ctx := within(t, 5*time.Minute)
	set, err := kubernetes.NewForConfig(s.fastConfig())
	if err != nil {
		t.Fatal(err)
	}
	nodes, _, err := s.NodesOf(ctx, "workers")
	if err != nil || len(nodes) == 0 {
		t.Fatalf("%d nodes, %v", len(nodes), err)
	}
	fight, stop := context.WithCancel(ctx)
	defer stop()
	begin := time.Now()
	watch, err := set.CoreV1().Nodes().Watch(fight, metav1.ListOptions{FieldSelector: "metadata.name=" + nodes[0].Name})
	if err != nil {
		t.Fatal(err)
	}
	undone := 0
	away := fmt.Appendf(nil, `{"status":{"conditions":[{"type":%q,"status":"Unknown","reason":"NotMine","message":"fought"}]}}`, v1alpha1.NodeConditionProblem)
	for e := range watch.ResultChan() {
		n, ok := e.Object.(*corev1.Node)
		if !ok || viewNode(n).Passed == false {
			continue
		}
		if _, err := set.CoreV1().Nodes().Patch(fight, n.Name, types.StrategicMergePatchType, away, metav1.PatchOptions{}, "status"); err == nil {
			undone++
		}
		// On a busy machine the daemon may take longer to look again.
		if undone >= 2 && time.Since(begin) > long {
			break
		}
	}
	// A look a second is what a story's daemon takes, and one write a look.
	if took := time.Since(begin).Seconds(); undone < 2 || float64(undone) > 2*took {
		t.Errorf("the condition was written %d times in %.1f s: want some, and no more than two a second", undone, took)
	}
	if err := s.atRest(ctx, "workers"); err != nil {
		t.Error(err)
	}
}

// deletedByAUser takes away everything that is tidemill's in the middle of a turn-over:
// the Lease, the ConfigMap, the status, and at last the Pool itself. Whoever
// deletes a Pool ends what it asked for: the nodes are given back.
func deletedByAUser(t *testing.T, s *Stage) {
	ctx := within(t, 10*time.Minute)
	pool, err := s.Pool(ctx, "workers")
	if err != nil {
		t.Fatal(err)
	}
	begun := func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, "workers")
		for i := range nodes {
			if viewNode(&nodes[i]).Cause != "" {
				return true, "", nil
			}
		}
		return false, "no node is marked", err
	}
	for _, o := range []client.Object{
		&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tidemill"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "cluster-autoscaler-status"}},
	} {
		// Asked for anew, since on a busy machine the run before may have ended meanwhile.
		if err := s.Annotate(ctx, "workers", v1alpha1.AnnotationCycle, "without-"+o.GetName()); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(ctx, "a node in the middle of it", 2*time.Minute, begun); err != nil {
			t.Fatal(err)
		}
		if err := s.Client.Delete(ctx, o); err != nil {
			t.Errorf("delete %s: %v", o.GetName(), err)
		}
		if err := s.Wait(ctx, o.GetName()+" to be there again", time.Minute, func(ctx context.Context) (bool, string, error) {
			err := s.Client.Get(ctx, client.ObjectKeyFromObject(o), o)
			return err == nil, "it is not", client.IgnoreNotFound(err)
		}); err != nil {
			t.Error(err)
		}
	}
	if err := s.Client.Status().Patch(ctx, pool, client.RawPatch("application/merge-patch+json", []byte(`{"status":null}`))); err != nil {
		t.Error(err)
	}
	if err := s.Client.Delete(ctx, pool); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "discovery to make the Pool again", time.Minute, func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, "workers")
		return err == nil && p.UID != pool.UID && p.Spec.Cycle == nil, "it is not there", client.IgnoreNotFound(err)
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "every mark to be taken off", 2*time.Minute, s.nothingLeft(marks)); err != nil {
		t.Error(err)
	}
	if err := s.ChangePool(ctx, "workers", func(p *v1alpha1.Pool) {
		id := p.Spec.NodePoolID
		p.Spec = Policy(2, 5, 1)
		p.Spec.NodePoolID = id
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(ctx, "workers to be at its size again", 2*time.Minute, s.sizeIs("workers", 2)); err != nil {
		t.Error(err)
	}
	if err := s.atRest(ctx, "workers"); err != nil {
		t.Error(err)
	}
}
