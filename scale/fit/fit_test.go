package fit_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/fit"
)

// build puts the nodes and bound pods of a world into a Cluster.
func build(t testing.TB, w *worldtest.World) *fit.Cluster {
	t.Helper()
	return fill(t, w.Snapshot())
}

func fill(t testing.TB, s *world.Snapshot) *fit.Cluster {
	t.Helper()
	c, err := fit.New(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Pools {
		for _, n := range p.Nodes {
			if err := c.AddNode(n.Object); err != nil {
				t.Fatal(err)
			}
			for _, pod := range n.Pods {
				if err := c.AddPod(pod, n.Object.Name); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return c
}

type podOpt = func(*corev1.Pod)

func noop(*corev1.Pod) {}

var (
	web  = worldtest.Labels[*corev1.Pod]("app", "web")
	self = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
)

// fitTests has one case, or a pair, for each plugin: the pod asked about is
// "web" with 1 CPU on node n1 of 4 CPUs in zone AD-1, beside pod "old".
var fitTests = []struct {
	name     string
	node     func(*corev1.Node)
	pod, old podOpt
	plugin   string // "" when it fits
	message  string
}{
	{name: "empty room", plugin: ""},
	{name: "cpu", old: cpu("3500m"), plugin: "NodeResourcesFit", message: "Insufficient cpu"},
	{name: "pod count", node: func(n *corev1.Node) { n.Status.Allocatable["pods"] = resource.MustParse("1") }, plugin: "NodeResourcesFit", message: "Too many pods"},
	{name: "extended resource", pod: worldtest.Requests("nvidia.com/gpu", "1"), plugin: "NodeResourcesFit", message: "Insufficient nvidia.com/gpu"},
	{name: "taint", node: taint("gpu"), plugin: "TaintToleration", message: "untolerated taint"},
	{name: "tolerated taint", node: taint("gpu"), pod: func(p *corev1.Pod) {
		p.Spec.Tolerations = []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists}}
	}},
	{name: "cordoned", node: worldtest.Cordoned, plugin: "NodeUnschedulable", message: "unschedulable"},
	{name: "node selector", pod: selector("AD-2"), plugin: "NodeAffinity", message: "node affinity/selector"},
	{name: "node selector matches", pod: selector("AD-1")},
	{name: "matchFields names another node", pod: matchField("n9"), plugin: "NodeAffinity", message: "node affinity/selector"},
	{name: "host port", pod: port(80), old: port(80), plugin: "NodePorts", message: "free ports"},
	{name: "another host port", pod: port(81), old: port(80)},
	{name: "anti-affinity", pod: anti(self), old: web, plugin: "InterPodAffinity", message: "anti-affinity"},
	{name: "anti-affinity of the other", pod: web, old: anti(self), plugin: "InterPodAffinity", message: "anti-affinity"},
	{name: "affinity without a friend", pod: affine(self), plugin: "InterPodAffinity", message: "affinity"},
	{name: "affinity with a friend", pod: affine(self), old: web},
	{name: "claim that is not there", pod: claim("none"), plugin: "VolumeRestrictions", message: "not found"},
	{name: "claim bound to another zone", pod: claim("far"), plugin: "VolumeBinding", message: "node affinity"},
	{name: "claim bound to this zone", pod: claim("near")},
	{name: "unbound claim, immediate", pod: claim("now"), plugin: "VolumeBinding", message: "unbound immediate"},
	{name: "unbound claim, first consumer", pod: claim("later")},
	{name: "attachable volumes", pod: claim("near"), old: claim("second"), plugin: "NodeVolumeLimits", message: "max volume count"},
	{name: "read write once pod", pod: claim("once"), old: claim("once"), plugin: "VolumeRestrictions", message: "ReadWriteOncePod"},
}

func TestFits(t *testing.T) {
	for _, tt := range fitTests {
		t.Run(tt.name, func(t *testing.T) {
			w := worldtest.New()
			w.AddPool("workers", "4", "16Gi")
			w.AddNode("workers", "n1", orNode(tt.node))
			w.AddPod("old", "100m", "1Gi", worldtest.On("n1"), orPod(tt.old))
			pod := w.AddPod("web", "1", "1Gi", web, orPod(tt.pod)).DeepCopy()
			storage(w)
			why, ok := build(t, w).Fits(pod, "n1")
			if ok != (tt.plugin == "") || why.Plugin != tt.plugin || !strings.Contains(why.Message, tt.message) {
				t.Errorf("Fits = %q, %v; want plugin %q saying %q", why, ok, tt.plugin, tt.message)
			}
		})
	}
}

func orNode(f func(*corev1.Node)) func(*corev1.Node) {
	if f == nil {
		return func(*corev1.Node) {}
	}
	return f
}

func orPod(f podOpt) podOpt {
	if f == nil {
		return noop
	}
	return f
}

func cpu(q string) podOpt {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests["cpu"] = resource.MustParse(q) }
}

func taint(key string) func(*corev1.Node) {
	return func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: key, Value: "yes", Effect: corev1.TaintEffectNoSchedule}}
	}
}

func selector(zone string) podOpt {
	return func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: zone} }
}

func matchField(node string) podOpt {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
				{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{node}}}}},
		}}}
	}
}

func port(n int32) podOpt {
	return func(p *corev1.Pod) {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: n, ContainerPort: n, Protocol: corev1.ProtocolTCP}}
	}
}

func anti(s *metav1.LabelSelector) podOpt {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: s, TopologyKey: corev1.LabelHostname}},
		}}
	}
}

func affine(s *metav1.LabelSelector) podOpt {
	return func(p *corev1.Pod) {
		p.Labels = map[string]string{"app": "other"}
		p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: s, TopologyKey: corev1.LabelHostname}},
		}}
	}
}

func claim(name string) podOpt {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}}
	}
}

// storage adds claims: near, second and once are bound in AD-1, far in AD-2, now
// and later are not bound. Node n1 attaches one volume.
func storage(w *worldtest.World) {
	const driver = "blockvolume.csi.oraclecloud.com"
	immediate, waits := storagev1.VolumeBindingImmediate, storagev1.VolumeBindingWaitForFirstConsumer
	for name, mode := range map[string]*storagev1.VolumeBindingMode{"immediate": &immediate, "waits": &waits} {
		w.Objects.StorageClasses = append(w.Objects.StorageClasses, storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: driver, VolumeBindingMode: mode,
		})
	}
	one := int32(1)
	w.Objects.CSINodes = []storagev1.CSINode{{ObjectMeta: metav1.ObjectMeta{Name: "n1"}, Spec: storagev1.CSINodeSpec{
		Drivers: []storagev1.CSINodeDriver{{Name: driver, NodeID: "n1", Allocatable: &storagev1.VolumeNodeResources{Count: &one}}},
	}}}
	for name, zone := range map[string]string{"near": "AD-1", "second": "AD-1", "once": "AD-1", "far": "AD-2", "now": "", "later": ""} {
		pvc := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		class := map[bool]string{true: "waits", false: "immediate"}[name == "later"]
		pvc.Spec.StorageClassName = &class
		pvc.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		if name == "once" {
			pvc.Spec.AccessModes[0] = corev1.ReadWriteOncePod
		}
		if zone != "" {
			pvc.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
			pvc.Spec.VolumeName, pvc.Status.Phase = "pv-"+name, corev1.ClaimBound
			w.Objects.PVs = append(w.Objects.PVs, volume(name, zone, driver))
		}
		w.Objects.PVCs = append(w.Objects.PVCs, pvc)
	}
}

func volume(name, zone, driver string) corev1.PersistentVolume {
	pv := corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name}}
	pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: name}
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: name}
	pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
	}}}}
	return pv
}

func TestUnsupported(t *testing.T) {
	w := worldtest.New()
	plain, claiming := &corev1.Pod{}, &corev1.Pod{}
	claiming.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}}
	if why := build(t, w).Unsupported(claiming); why != "" {
		t.Errorf("devices are known, and yet %q", why)
	}
	w.Objects.DevicesAway = "the cluster does not serve them"
	c := build(t, w)
	if why := c.Unsupported(plain); why != "" {
		t.Errorf("plain pod: %q", why)
	}
	if why := c.Unsupported(claiming); why == "" {
		t.Error("a pod with resource claims is said to be judged")
	}
}

func TestReasonsAreListedByHowCommonTheyAre(t *testing.T) {
	r := fit.Reasons{{Plugin: "B", Message: "b"}: 2, {Plugin: "A", Message: "a"}: 2, {Plugin: "C", Message: "c"}: 10}
	if got, want := r.String(), "10 C: c, 2 A: a, 2 B: b"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
