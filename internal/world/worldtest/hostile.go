package worldtest

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// Hostile texts: what acts on a terminal, what reads other than it is, what is
// not UTF-8, what is a megabyte, what looks like our own.
var hostileTexts = []string{
	"", "\x1b]0;owned\x07", "\x1b[2J\x1b[H", "a\rb", "user\u202etxt.exe", "\u009b31m", "\xff\xfe", strings.Repeat("x", 1<<20), "%s%n%!d(BADINDEX)",
	`{"nodeUID":"uid-n1","cause":"cycle"}`, "doctor/replace/ready/2026-03-01T11:49:00Z", "true", "-1h", "9999-12-31T23:59:59Z", "../../../etc/passwd", "ocid1.instance.oc1..aaaan1",
}

var hostileAmounts = []string{"-1", "0", "1n", "9223372036854775807", "1e18", "1Ei", "99999999E"}

// Corrupt adds objects that no well-behaved cluster has: half of one, absurd
// ones, ones with text that means harm, and a cloud that answers nonsense. pick
// chooses a number below n. Names begin with "evil".
func (w *World) Corrupt(pick func(n int) int) {
	text := func() string { return hostileTexts[pick(len(hostileTexts))] }
	for i := range 1 + pick(4) {
		switch pick(6) {
		case 0:
			w.evilNode(i, pick, text)
		case 1:
			w.evilPod(i, pick, text)
		case 2:
			w.evilBudget(i, pick, text)
		case 3:
			w.evilPool(i, pick, text)
		case 4:
			w.evilMachine(i, pick, text)
		case 5: // empty in every field
			w.Objects.Nodes = append(w.Objects.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("evil-bare-%d", i)}})
			w.Objects.Pods = append(w.Objects.Pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "evil", Name: fmt.Sprintf("bare-%d", i)}})
			w.Objects.PVs = append(w.Objects.PVs, corev1.PersistentVolume{})
			w.Objects.PVCs = append(w.Objects.PVCs, corev1.PersistentVolumeClaim{})
			w.Objects.DaemonSets = append(w.Objects.DaemonSets, w.Objects.DaemonSets...)
		}
	}
}

func evilMeta(name string, text func() string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Namespace: "evil", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": text(), text(): text()}, Annotations: map[string]string{text(): text()}}
	for _, key := range []string{v1alpha1.AnnotationCycle, v1alpha1.AnnotationDisruption, v1alpha1.AnnotationDoNotDisrupt, v1alpha1.AnnotationRepairs, v1alpha1.AnnotationUnneededSince,
		v1alpha1.AnnotationSkippedUntil, v1alpha1.AnnotationNodePoolID, v1alpha1.AnnotationDrain, v1alpha1.AnnotationSafeToEvict, v1alpha1.AnnotationScaleUpDelay} {
		m.Annotations[key] = text()
	}
	return m
}

func evilAmount(pick func(int) int) resource.Quantity {
	return resource.MustParse(hostileAmounts[pick(len(hostileAmounts))])
}

func (w *World) evilNode(i int, pick func(int) int, text func() string) {
	n := corev1.Node{ObjectMeta: evilMeta(fmt.Sprintf("evil-%d", i), text)}
	n.Namespace = ""
	n.Spec.ProviderID, n.Spec.Unschedulable = text(), pick(2) == 0
	n.Spec.Taints = []corev1.Taint{{Key: text(), Value: text(), Effect: corev1.TaintEffect(text())}}
	n.CreationTimestamp = metav1.NewTime(w.Now.Add(time.Duration(pick(3)-1) * 1e6 * time.Hour))
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: evilAmount(pick), corev1.ResourceMemory: evilAmount(pick), corev1.ResourceName(text()): evilAmount(pick)}
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionStatus(text())},
		{Type: v1alpha1.NodeConditionHost, Status: corev1.ConditionTrue, Reason: text(), Message: text()}, {Type: v1alpha1.NodeConditionProblem, Status: "Maybe"}}
	n.Status.NodeInfo.KubeletVersion = text()
	w.Objects.Nodes = append(w.Objects.Nodes, n)
}

func (w *World) evilPod(i int, pick func(int) int, text func() string) {
	p := corev1.Pod{ObjectMeta: evilMeta(fmt.Sprintf("pod-%d", i), text)}
	p.Spec.SchedulerName = corev1.DefaultSchedulerName
	if len(w.Objects.Nodes) > 0 && pick(2) == 0 {
		p.Spec.NodeName = w.Objects.Nodes[pick(len(w.Objects.Nodes))].Name
	}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: text(), Name: text(), UID: p.UID}} // its own owner
	p.Spec.NodeSelector = map[string]string{text(): text()}
	p.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOperator(text()), Key: text()}}
	p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: int32(pick(3) - 1), TopologyKey: text(), WhenUnsatisfiable: corev1.UnsatisfiableConstraintAction(text())}}
	p.Spec.Containers = []corev1.Container{{Name: text(), Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: evilAmount(pick), corev1.ResourceMemory: evilAmount(pick)}}}}
	p.Spec.Volumes = []corev1.Volume{{Name: text(), VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: text()}}}}
	p.Status.Phase = corev1.PodPhase(text())
	w.Objects.Pods = append(w.Objects.Pods, p)
}

func (w *World) evilBudget(i int, pick func(int) int, text func() string) {
	b := policyv1.PodDisruptionBudget{ObjectMeta: evilMeta(fmt.Sprintf("pdb-%d", i), text)}
	percent := intstr.FromString(text())
	b.Spec.MinAvailable = &percent
	if pick(2) == 0 {
		b.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: text(), Operator: metav1.LabelSelectorOperator(text()), Values: []string{text()}}}}
	}
	b.Status.DisruptionsAllowed = int32(pick(3) - 1)
	w.Objects.PDBs = append(w.Objects.PDBs, b)
}

func (w *World) evilPool(i int, pick func(int) int, text func() string) {
	p := v1alpha1.Pool{ObjectMeta: evilMeta(fmt.Sprintf("evil-pool-%d", i), text), Spec: v1alpha1.PoolSpec{NodePoolID: text()}}
	p.Namespace = ""
	surge := intstr.FromString(text())
	if len(w.Cloud.Pools) > 0 && pick(2) == 0 {
		p.Spec.NodePoolID = string(w.Cloud.Pools[0].ID) // a second claim on the first pool
	}
	p.Spec.Scale = &v1alpha1.ScaleSpec{MinSize: int32(pick(5) - 2), MaxSize: int32(pick(1<<30) - 5)}
	p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleMode(text()), MaxSurge: &surge, Windows: []v1alpha1.CycleWindow{{Schedule: text(), TimeZone: text()}}}
	p.Status.Cycle = &v1alpha1.CycleStatus{Request: text(), Desired: int32(pick(5) - 2)}
	w.Objects.Pools = append(w.Objects.Pools, p)
}

func (w *World) evilMachine(i int, pick func(int) int, text func() string) {
	if len(w.Cloud.Pools) == 0 {
		return
	}
	p := &w.Cloud.Pools[pick(len(w.Cloud.Pools))]
	p.Size, p.Release.Kubernetes, p.Release.Image = pick(7)-3, text(), text()
	id := cloudprovider.InstanceID(fmt.Sprintf("evil-machine-%d", i))
	if list := w.Cloud.Instances[p.ID]; len(list) > 0 && pick(2) == 0 {
		id = list[0].ID // one machine, listed twice
	}
	w.Cloud.Instances[p.ID] = append(w.Cloud.Instances[p.ID], cloudprovider.Instance{
		ID: id, Pool: cloudprovider.PoolID(text()), Name: text(), Zone: cloudprovider.Zone(text()), State: cloudprovider.State(pick(12) - 2),
		Fault: &cloudprovider.Fault{Code: text(), Message: text()},
	})
}
