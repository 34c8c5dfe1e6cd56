package sim

import (
	"fmt"
	"math"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// plantedKinds are the kinds of which something is planted, those with others in them last.
var plantedKinds = []string{"pods", "poddisruptionbudgets", "daemonsets", "persistentvolumeclaims", "persistentvolumes", "storageclasses", "csinodes", "volumeattachments", "services", "pools", "nodes", "namespaces"}

// A Victim is what a planted object may speak of: a Node that works, its machine and
// its node pool.
type Victim struct{ Node, Instance, Pool string }

// plant makes one of Impostors.
func (w *World) plant() {
	v := Victim{Node: "nowhere", Instance: "ocid1.instance.oc1.iad.nobody", Pool: w.pools[0]}
	if k := w.anyKubelet(); k != nil {
		v = Victim{k.node, k.inst.ID, k.inst.PoolID}
	}
	list := Impostors(v, w.harm.made)
	o := list[w.tape.Pick(len(list))]
	w.harm.made++
	if w.api.Find("namespaces", "", hostileSpace) == nil {
		w.api.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: hostileSpace, Annotations: map[string]string{"example.com/much": much}, Labels: map[string]string{planted: "yes"}}})
	}
	w.note("hostile: %T %s is made, about node %s", o, o.GetName(), v.Node)
	if n, ok := o.(*corev1.Node); ok { // admission, see model
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
	}
	w.api.Create(o)
	if b, ok := o.(*policyv1.PodDisruptionBudget); ok { // its controller
		w.api.Edit(b, func(o client.Object) {
			b := o.(*policyv1.PodDisruptionBudget)
			b.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: b.Generation, ExpectedPods: math.MaxInt32, DesiredHealthy: math.MaxInt32}
		})
	}
}

// Impostors are objects of every kind that is watched, such as the API server takes
// and nobody should write; made makes their names their own.
func Impostors(v Victim, made int) []client.Object {
	var out []client.Object
	add := func(list ...client.Object) { out = append(out, list...) }
	add(evilPods(v)...)
	add(evilBudgets()...)
	add(evilNodes(v)...)
	add(evilPools(v)...)
	add(evilVolumes(v)...)
	add(evilSets()...)
	for i, o := range out {
		name := fmt.Sprintf("%s-%d-%d", o.GetName(), made, i)
		if over := len(name) - 253; over > 0 {
			name = name[over:]
		}
		o.SetName(name)
		labels := map[string]string{planted: "yes", "example.com/long": strings.Repeat("l", 63), strings.Repeat("p", 60) + ".example.com/" + strings.Repeat("n", 63): ""}
		for k, v := range o.GetLabels() {
			labels[k] = v
		}
		o.SetLabels(labels)
		o.SetOwnerReferences(append(o.GetOwnerReferences(), metav1.OwnerReference{APIVersion: "example.com/v1", Kind: "Nothing", Name: "nobody", UID: "0"}))
	}
	return out
}

func amounts(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

func evilPods(v Victim) []client.Object {
	var out []client.Object
	yes := true
	add := func(name, cpu string, change func(*corev1.Pod)) {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: hostileSpace, Name: name, Annotations: map[string]string{}},
			Spec: corev1.PodSpec{SchedulerName: corev1.DefaultSchedulerName, RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: new(int64),
				Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
				Containers: []corev1.Container{{Name: "c", Image: "app", Env: []corev1.EnvVar{{Name: "TOKEN", Value: canary + bell}},
					TerminationMessagePolicy: corev1.TerminationMessageReadFile, ImagePullPolicy: corev1.PullAlways, Resources: corev1.ResourceRequirements{Requests: amounts(cpu, "64Mi")}}}},
			Status: corev1.PodStatus{Phase: corev1.PodPending}}
		p.Spec.DNSPolicy = corev1.DNSClusterFirst
		change(p)
		out = append(out, p)
	}
	add("nano", "1n", func(p *corev1.Pod) {
		set(p, v1alpha1.AnnotationDoNotDisrupt, bell)
		set(p, v1alpha1.AnnotationScaleUpDelay, "-9999999h")
	})
	add("endless", "9223372036854775807", func(p *corev1.Pod) { set(p, "example.com/much", much) })
	add("most", "1E", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("7E")
	})
	add("bound", "100m", func(p *corev1.Pod) { p.Spec.NodeName = v.Node })
	add("for-ever", "100m", func(p *corev1.Pod) {
		years := int64(10 * 365 * 24 * 3600)
		p.Spec.NodeName, p.Spec.TerminationGracePeriodSeconds = v.Node, &years
	})
	add("held", "100m", func(p *corev1.Pod) { p.Spec.NodeName, p.Finalizers = v.Node, []string{"example.com/never"} })
	add("nowhere", "100m", func(p *corev1.Pod) { p.Spec.NodeName = "no-such-node" })
	add("like-a-mirror", "100m", func(p *corev1.Pod) {
		p.Spec.NodeName = v.Node
		set(p, corev1.MirrorPodAnnotationKey, bell)
	})
	add("like-a-daemon", "100m", func(p *corev1.Pod) {
		p.Spec.NodeName = v.Node
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "no-such-set", UID: "0", Controller: &yes}}
	})
	add("its-own", "100m", func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "its-own", UID: "1", Controller: &yes}}
		set(p, v1alpha1.AnnotationDrain, "9999999999h")
	})
	add("claims", "100m", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "no-such-claim"}}}}
	})
	add("choosy", "100m", func(p *corev1.Pod) {
		var terms []corev1.NodeSelectorTerm
		for i := range 100 {
			terms = append(terms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "k", Operator: corev1.NodeSelectorOpGt, Values: []string{fmt.Sprint(int64(1)<<62 + int64(i))}}}})
		}
		p.Spec.SchedulerName = "nobody"
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1 << 30, TopologyKey: "nobody.has/it", WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{}}}
	})
	return out
}

// evilBudgets contradict each other, themselves and those of the apps.
func evilBudgets() []client.Object {
	lots, all, none := intstr.FromInt32(1<<30), intstr.FromString("100%"), intstr.FromInt32(0)
	odd := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpDoesNotExist}, {Key: "x", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"", "y"}}}}
	make := func(namespace, name string, spec policyv1.PodDisruptionBudgetSpec) client.Object {
		return &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{"a": much}}, Spec: spec}
	}
	return []client.Object{
		make(hostileSpace, "empty", policyv1.PodDisruptionBudgetSpec{}),
		make(hostileSpace, "lots", policyv1.PodDisruptionBudgetSpec{MinAvailable: &lots, Selector: &metav1.LabelSelector{}}),
		make("default", "all", policyv1.PodDisruptionBudgetSpec{MinAvailable: &all, Selector: &metav1.LabelSelector{}}), // a second one for the pods of others
		make("default", "odd", policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &none, Selector: odd}),
	}
}

// evilNodes are Nodes without a machine, or with that of another.
func evilNodes(v Victim) []client.Object {
	at := metav1.NewTime(time.Unix(math.MaxUint32, 0))
	make := func(name, provider, pool string, ready corev1.ConditionStatus) client.Object {
		notes := map[string]string{v1alpha1.AnnotationDisruption: `{"cause":"` + bell + `","since":"never","nodeUID":{}}`, v1alpha1.AnnotationRepairs: "[[[", v1alpha1.AnnotationNodePoolID: pool}
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: notes}, Spec: corev1.NodeSpec{ProviderID: provider},
			Status: corev1.NodeStatus{Capacity: amounts("1E", "7E"), Allocatable: amounts("1E", "7E"), NodeInfo: corev1.NodeSystemInfo{KubeletVersion: bell, BootID: much[:4<<10]},
				Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, LastHeartbeatTime: at, LastTransitionTime: at, Message: much[:64<<10] + bell},
					{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse, Reason: "Forged", LastHeartbeatTime: at}}}}
	}
	clean := func(o client.Object) client.Object {
		delete(o.GetAnnotations(), v1alpha1.AnnotationDisruption)
		return o
	}
	return []client.Object{
		make("nobody", "", v.Pool, corev1.ConditionTrue),
		make("stray", "aws:///"+bell, "ocid1.nodepool.oc1.iad."+strings.Repeat("a", 5000), "Perhaps"),
		make(strings.Repeat("n", 253), v.Instance+"x", v.Pool, corev1.ConditionUnknown),
		clean(make("zz-twin", v.Instance, v.Pool, corev1.ConditionTrue)), // its name comes after that of the one it pretends to be
		clean(make("0-twin", "oci://"+v.Instance, v.Pool, corev1.ConditionTrue)),
		clean(make("0-ill-twin", v.Instance, v.Pool, corev1.ConditionFalse)),
		make("0-marked-twin", v.Instance, v.Pool, corev1.ConditionUnknown),
	}
}

// evilPools claim what is another's, and what nobody has.
func evilPools(v Victim) []client.Object {
	make := func(name, pool string) *v1alpha1.Pool {
		return &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{v1alpha1.AnnotationCycle: bell, v1alpha1.AnnotationUpgradeTo: "v1.34.2", v1alpha1.AnnotationRollback: much}}, Spec: v1alpha1.PoolSpec{NodePoolID: pool}}
	}
	usurper := make(strings.Repeat("u", 253), v.Pool)
	usurper.Spec.Scale = &v1alpha1.ScaleSpec{MinSize: 0, MaxSize: 0}
	return []client.Object{make("misspelt", "ocid1.nodepool.oc1.iad.nobody"), make("a-second", v.Pool), make("by-letters", "\u202e"+bell), usurper}
}

func evilVolumes(v Victim) []client.Object {
	class, mode, wait, reclaim := "no-such-class", corev1.PersistentVolumeFilesystem, storagev1.VolumeBindingWaitForFirstConsumer, corev1.PersistentVolumeReclaimRetain
	nowhere := "no-such-volume"
	term := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{"nowhere"}}}}
	access := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("7E")}
	return []client.Object{
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: hostileSpace, Name: "claim"},
			Spec: corev1.PersistentVolumeClaimSpec{AccessModes: access, StorageClassName: &class, VolumeName: "no-such-volume", VolumeMode: &mode, Resources: corev1.VolumeResourceRequirements{Requests: size}}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "volume"},
			Spec: corev1.PersistentVolumeSpec{AccessModes: access, Capacity: size, StorageClassName: class, VolumeMode: &mode, PersistentVolumeReclaimPolicy: reclaim, ClaimRef: &corev1.ObjectReference{Namespace: "default", Name: "no-such-claim"},
				PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/" + nowhere}}, NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "class"}, Provisioner: "example.com/nobody", VolumeBindingMode: &wait, ReclaimPolicy: &reclaim,
			AllowedTopologies: []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: "nobody.has/it", Values: []string{"x"}}}}}},
		&storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "csi"}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "example.com", NodeID: strings.Repeat("i", 128), TopologyKeys: []string{"nobody.has/it"}, Allocatable: &storagev1.VolumeNodeResources{Count: new(int32)}}}}},
		&storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "attached", Finalizers: []string{"example.com/never"}},
			Spec: storagev1.VolumeAttachmentSpec{Attacher: "example.com", NodeName: v.Node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &nowhere}}},
	}
}

// evilSets are DaemonSets that want a place on every node that nobody can give, and
// Services that promise what nobody has.
func evilSets() []client.Object {
	labels := map[string]string{"app": "evil"}
	policy := corev1.RestartPolicyAlways
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{RestartPolicy: policy, DNSPolicy: corev1.DNSClusterFirst, TerminationGracePeriodSeconds: new(int64),
		Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		Containers:  []corev1.Container{{Name: "c", Image: "app", TerminationMessagePolicy: corev1.TerminationMessageReadFile, ImagePullPolicy: corev1.PullAlways, Resources: corev1.ResourceRequirements{Requests: amounts("1000", "1Ti")}}}}}
	set := func(name string, spec corev1.PodTemplateSpec) client.Object {
		return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: hostileSpace, Name: name}, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: spec, UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}}}
	}
	choosy := *template.DeepCopy()
	choosy.Spec.NodeSelector = map[string]string{"nobody.has/it": ""}
	return []client.Object{set("huge", template), set("choosy", choosy),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: hostileSpace, Name: "service", Annotations: map[string]string{"a": bell}}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.com"}},
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: hostileSpace, Name: "balancer"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 1}}}}}
}
