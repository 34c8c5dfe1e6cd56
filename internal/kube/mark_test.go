package kube_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

var outdated = corev1.Taint{Key: v1alpha1.TaintOutdated, Effect: corev1.TaintEffectPreferNoSchedule}

func fixture() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "u1", ResourceVersion: "7"},
		Spec:       corev1.NodeSpec{ProviderID: "ocid1.instance.i1"},
	}
}

func TestMarkRoundTrip(t *testing.T) {
	started := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	want := kube.Mark{
		Cause: kube.CauseRepair, Reason: "LeaseExpired", Message: `quotes " and ü`, Since: started, Cordoned: true,
		DrainStarted: &started, InstanceID: "ocid1.instance.i1", NodeUID: "u1",
	}
	n := fixture()
	given := want
	given.NodeUID, given.InstanceID = "somebody else's", "another"
	kube.SetMark(n, given)
	got, err := kube.MarkOf(n)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("mark (-want +got):\n%s", diff)
	}
}

func TestMarkOf(t *testing.T) {
	if m, err := kube.MarkOf(fixture()); m != nil || err != nil {
		t.Errorf("no mark: %v, %v", m, err)
	}
	copied := fixture()
	kube.SetMark(copied, kube.Mark{Cause: kube.CauseCycle})
	copied.UID = "u2" // the annotation was carried over to another machine
	if m, err := kube.MarkOf(copied); m != nil || err == nil || !strings.Contains(err.Error(), "another node") {
		t.Errorf("foreign mark: %v, %v", m, err)
	}
	broken := fixture()
	broken.Annotations = map[string]string{v1alpha1.AnnotationDisruption: "{"}
	if m, err := kube.MarkOf(broken); m != nil || err == nil {
		t.Errorf("broken mark: %v, %v", m, err)
	}
}

func TestUnmarkLeavesAForeignCordon(t *testing.T) {
	n := fixture()
	n.Spec.Unschedulable = true // a person was first
	kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle}))
	if !kube.Unmark(n) || !n.Spec.Unschedulable {
		t.Errorf("the cordon of a person was taken off")
	}
	if kube.Unmark(n) {
		t.Errorf("a node without marks changed")
	}
	// Whose cordon it is cannot be read: it stays.
	n = fixture()
	kube.SetMark(n, kube.Cordon(n, kube.Mark{Cause: kube.CauseCycle}))
	n.UID = "u2"
	if !kube.Unmark(n) || !n.Spec.Unschedulable || len(n.Annotations) != 0 {
		t.Errorf("unmark of a foreign mark: unschedulable %v, annotations %v", n.Spec.Unschedulable, n.Annotations)
	}
}

// Whatever a verb puts on a node, in whatever order and however often, Unmark
// gives the node back as it was found.
func TestUnmarkGivesBackWhatWasFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := someNode(t)
		found := n.DeepCopy()
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			disrupt(t, n)
		}
		kube.Unmark(n)
		if !equality.Semantic.DeepEqual(found, n) {
			t.Fatalf("node (-found +given back):\n%s", cmp.Diff(found, n))
		}
	})
}

// disrupt does one of the things that verbs do to a node.
func disrupt(t *rapid.T, n *corev1.Node) {
	m, err := kube.MarkOf(n)
	if err != nil {
		t.Fatal(err)
	}
	if m == nil {
		m = &kube.Mark{}
	}
	switch rapid.IntRange(0, 4).Draw(t, "step") {
	case 0:
		m.Cause = rapid.SampledFrom([]kube.Cause{kube.CauseCycle, kube.CauseRepair, kube.CauseScaleDown}).Draw(t, "cause")
		kube.SetMark(n, *m)
	case 1:
		kube.SetMark(n, kube.Cordon(n, *m))
	case 2:
		kube.AddTaint(n, outdated)
	case 3:
		at := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "at"), 0)
		m.DrainStarted = &at
		kube.SetMark(n, *m)
	case 4:
		metav1.SetMetaDataAnnotation(&n.ObjectMeta, v1alpha1.AnnotationUnneededSince, "2026-03-01T12:00:00Z")
	}
}

func someNode(t *rapid.T) *corev1.Node {
	n := fixture()
	n.UID = types.UID(rapid.StringMatching(`[a-f0-9]{8}`).Draw(t, "uid"))
	n.Spec.Unschedulable = rapid.Bool().Draw(t, "unschedulable")
	if rapid.Bool().Draw(t, "annotated") {
		n.Annotations = map[string]string{"example.com/a": "1", v1alpha1.AnnotationDoNotDisrupt: "true", v1alpha1.AnnotationCycle: "x"}
	}
	taint := rapid.Custom(func(t *rapid.T) corev1.Taint {
		return corev1.Taint{
			Key:    rapid.SampledFrom([]string{"example.com/t", "node.kubernetes.io/unschedulable", v1alpha1.TaintOutdated + "x"}).Draw(t, "key"),
			Effect: rapid.SampledFrom([]corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute}).Draw(t, "effect"),
		}
	})
	n.Spec.Taints = rapid.SliceOfN(taint, 0, 3).Draw(t, "taints")
	return n
}

func TestAddTaintOnce(t *testing.T) {
	n := fixture()
	if !kube.AddTaint(n, outdated) || kube.AddTaint(n, outdated) || len(n.Spec.Taints) != 1 {
		t.Errorf("taints = %v", n.Spec.Taints)
	}
	if !kube.RemoveTaint(n, outdated.Key) || kube.RemoveTaint(n, outdated.Key) || len(n.Spec.Taints) != 0 {
		t.Errorf("taints = %v", n.Spec.Taints)
	}
}
