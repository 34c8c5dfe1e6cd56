package scale

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// verdictOf is what becomes of a node that runs the pods alone, with another
// node there that has room for all of them. NotYet is that they may move.
func verdictOf(t *testing.T, p Policy, pods ...func(*corev1.Pod)) NodeVerdict {
	t.Helper()
	w := worldtest.New()
	w.AddPool("workers", "8", "32Gi", worldtest.Scale(0, 9)).Size = 2
	for _, name := range []string{"asked", "other"} {
		w.AddNode("workers", name).CreationTimestamp = metav1.NewTime(w.Now.Add(-time.Hour))
	}
	w.AddPod("full", "5", "1Gi", worldtest.On("other"), worldtest.OwnedBy("StatefulSet", "full"))
	for i, change := range pods {
		w.AddPod(string(rune('a'+i)), "250m", "64Mi", worldtest.On("asked"), worldtest.OwnedBy("ReplicaSet", "web"), running, change)
	}
	w.Objects.PDBs = []policyv1.PodDisruptionBudget{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "spent"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "guarded"}}},
	}}
	plan, err := Decide(w.Snapshot(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range plan.Nodes {
		if v.Node == "asked" {
			return v
		}
	}
	t.Fatalf("nothing is said of the node:\n%s", plan)
	return NodeVerdict{}
}

func running(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning }

func annotate(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { metav1.SetMetaDataAnnotation(&p.ObjectMeta, key, value) }
}

// TestDrainRulesComeInOrder: a pod with everything against it names the first of
// cluster-autoscaler's reasons; what is set right makes way for the next.
func TestDrainRulesComeInOrder(t *testing.T) {
	local := func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	}
	guarded := func(p *corev1.Pod) { p.Labels = map[string]string{"app": "guarded"} }
	p := Policy{MinReplicaCount: 2}
	pod := &corev1.Pod{}
	for _, step := range []struct {
		change func(*corev1.Pod)
		want   Reason
		say    string
	}{
		{func(p *corev1.Pod) {
			p.Namespace, p.CreationTimestamp = "kube-system", metav1.NewTime(worldtest.Now.Add(-59*time.Minute))
			local(p)
			worldtest.OwnedBy("ReplicaSet", "web")(p)
			annotate(v1alpha1.AnnotationSafeToEvict, "on-completion")(p)
			annotate(v1alpha1.AnnotationDoNotDisrupt, "true")(p)
		}, DoNotDisrupt, "kube-system/a is annotated so"},
		{func(p *corev1.Pod) { delete(p.Annotations, v1alpha1.AnnotationDoNotDisrupt) }, MinReplicasReached, "kube-system/a is one of 1 replicas, and fewer than 2 are left alone"},
		{func(p *corev1.Pod) { p.OwnerReferences = nil }, OnCompletion, "kube-system/a is to complete first, as annotated"},
		{annotate(v1alpha1.AnnotationSafeToEvict, "false"), NotReplicated, "kube-system/a has no controller"},
		{worldtest.OwnedBy("StatefulSet", "db"), SystemPod, "kube-system/a has no PodDisruptionBudget and is younger than 1h"},
		{func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(worldtest.Now.Add(-time.Hour)) }, NotSafeToEvict, "kube-system/a is annotated so"},
		{func(p *corev1.Pod) { p.Annotations = nil }, LocalStorage, "kube-system/a keeps data in volume cache"},
		{func(p *corev1.Pod) { p.Spec.Volumes = nil; guarded(p) }, PDBExhausted, "kube-system/a: budget spent allows no disruption"},
		{func(p *corev1.Pod) { p.Labels = nil }, NotYet, ""},
	} {
		step.change(pod)
		got := verdictOf(t, p, func(o *corev1.Pod) {
			o.Namespace, o.CreationTimestamp, o.Labels, o.Annotations, o.OwnerReferences, o.Spec.Volumes =
				pod.Namespace, pod.CreationTimestamp, pod.Labels, pod.Annotations, pod.OwnerReferences, pod.Spec.Volumes
		})
		if got.Reason != step.want || step.say != "" && got.Message != step.say {
			t.Errorf("%s, %q, want %s, %q", got.Reason, got.Message, step.want, step.say)
		}
	}
}

// TestSafeToEvictWaivesWhatItMay: five rules, and neither the replicas before it
// nor the budgets after.
func TestSafeToEvictWaivesWhatItMay(t *testing.T) {
	safe := annotate(v1alpha1.AnnotationSafeToEvict, "true")
	all := func(p *corev1.Pod) {
		safe(p)
		p.Namespace, p.OwnerReferences = "kube-system", nil
		p.Spec.Volumes = []corev1.Volume{{Name: "logs", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/log"}}}}
	}
	budget := func(p *corev1.Pod) { all(p); p.Labels = map[string]string{"app": "guarded"} }
	for want, got := range map[Reason]NodeVerdict{
		NotYet:             verdictOf(t, Policy{}, all),
		MinReplicasReached: verdictOf(t, Policy{MinReplicaCount: 2}, safe),
		PDBExhausted:       verdictOf(t, Policy{}, budget),
	} {
		if got.Reason != want {
			t.Errorf("%s %s, want %s", got.Reason, got.Message, want)
		}
	}
}

// TestFewReplicas: replicas are counted wherever they are, those that end are
// not, and no other kind of controller is asked.
func TestFewReplicas(t *testing.T) {
	same := func(*corev1.Pod) {}
	ending := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: worldtest.Now.Add(time.Minute)} }
	waiting := func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "", corev1.PodPending; elsewhere(p) }
	stateful := worldtest.OwnedBy("StatefulSet", "web")
	two := Policy{MinReplicaCount: 2}
	for name, c := range map[string]struct {
		p    Policy
		pods []func(*corev1.Pod)
		want Reason
	}{
		"one, and nothing asked":     {Policy{}, []func(*corev1.Pod){same}, NotYet},
		"one of two":                 {two, []func(*corev1.Pod){same}, MinReplicasReached},
		"two":                        {two, []func(*corev1.Pod){same, same}, NotYet},
		"two, of which one ends":     {two, []func(*corev1.Pod){same, ending}, MinReplicasReached},
		"two, of which one waits":    {two, []func(*corev1.Pod){same, waiting}, NotYet},
		"a StatefulSet of one":       {two, []func(*corev1.Pod){stateful}, NotYet},
		"one whose namespace is not": {two, []func(*corev1.Pod){same, func(p *corev1.Pod) { p.Namespace = "away" }}, MinReplicasReached},
	} {
		if got := verdictOf(t, c.p, c.pods...); got.Reason != c.want {
			t.Errorf("%s: %s %s, want %s", name, got.Reason, got.Message, c.want)
		}
	}
}

// elsewhere has a pod that waits ask for the other node.
func elsewhere(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelHostname: "other"} }

// TestSystemPodsKeepTheirNodeForATime: as long as the policy says.
func TestSystemPodsKeepTheirNodeForATime(t *testing.T) {
	none, long := time.Duration(0), 24*time.Hour
	aged := func(age time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Namespace, p.CreationTimestamp = "kube-system", metav1.NewTime(worldtest.Now.Add(-age))
		}
	}
	for name, c := range map[string]struct {
		keep *time.Duration
		age  time.Duration
		want Reason
	}{
		"young":                 {nil, time.Minute, SystemPod},
		"an hour old":           {nil, time.Hour, NotYet},
		"young, and not kept":   {&none, time.Second, NotYet},
		"old, and kept so long": {&long, 23 * time.Hour, SystemPod},
	} {
		if got := verdictOf(t, Policy{SystemPodsFor: c.keep}, aged(c.age)); got.Reason != c.want {
			t.Errorf("%s: %s %s, want %s", name, got.Reason, got.Message, c.want)
		}
	}
}

// TestWhatIsOverdueMakesNoNodeNeeded: a large pod that a finalizer keeps counts
// while it may still be ending, and not after.
func TestWhatIsOverdueMakesNoNodeNeeded(t *testing.T) {
	ended := func(ago time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.DeletionTimestamp = &metav1.Time{Time: worldtest.Now.Add(-ago)}
			p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("6")
		}
	}
	for ago, want := range map[time.Duration]Reason{-time.Minute: Needed, 30 * time.Second: Needed, 31 * time.Second: NotYet} {
		if got := verdictOf(t, Policy{}, ended(ago), func(*corev1.Pod) {}); got.Reason != want {
			t.Errorf("ended %s ago: %s %s, want %s", ago, got.Reason, got.Message, want)
		}
	}
}
