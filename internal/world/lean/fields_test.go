package lean

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// takenOff is what a pod on a node loses, by path; whatever else the API has or
// will have stays. What runs in a container is told apart in kept.
var takenOff = []string{
	"ObjectMeta.GenerateName", "ObjectMeta.ManagedFields", "ObjectMeta.SelfLink",
	"Spec.AutomountServiceAccountToken", "Spec.DNSConfig", "Spec.DNSPolicy", "Spec.DeprecatedServiceAccount", "Spec.EnableServiceLinks", "Spec.EphemeralContainers",
	"Spec.HostAliases", "Spec.Hostname", "Spec.ImagePullSecrets", "Spec.ReadinessGates", "Spec.SecurityContext", "Spec.ServiceAccountName",
	"Spec.SetHostnameAsFQDN", "Spec.ShareProcessNamespace", "Spec.Subdomain",
	"Status.Conditions.LastProbeTime", "Status.EphemeralContainerStatuses", "Status.HostIP", "Status.HostIPs", "Status.PodIP", "Status.PodIPs",
}

// whileItRuns is what it loses besides while it runs and is ready.
var whileItRuns = []string{"Status.Conditions.LastTransitionTime", "Status.StartTime"}

// kept are the fields that stay of what is rebuilt rather than pruned.
var kept = map[string][]string{
	"Spec.Containers":              {"Name", "Ports", "ResizePolicy", "Resources", "RestartPolicy", "RestartPolicyRules"},
	"Spec.InitContainers":          {"Name", "Ports", "ResizePolicy", "Resources", "RestartPolicy", "RestartPolicyRules"},
	"Status.ContainerStatuses":     {"AllocatedResources", "Image", "Name", "Resources", "State"},
	"Status.InitContainerStatuses": {"AllocatedResources", "Image", "Name", "Resources", "State"},
	// Of a state that a container waits for.
	"Status.ContainerStatuses.State":             {"Waiting"},
	"Status.ContainerStatuses.State.Waiting":     {"Reason"},
	"Status.InitContainerStatuses.State":         {"Waiting"},
	"Status.InitContainerStatuses.State.Waiting": {"Reason"},
}

// TestEachFieldIsKeptOrNamed: of a pod that says something in every field that the
// API has, no more goes than is listed here.
func TestEachFieldIsKeptOrNamed(t *testing.T) {
	for phase, want := range map[corev1.PodPhase][]string{corev1.PodPending: takenOff, corev1.PodRunning: append(slices.Clone(whileItRuns), takenOff...)} {
		whole := fullPod(phase)
		got := whole.DeepCopy()
		NewPantry().Pod(got)
		var lost []string
		missing("", reflect.ValueOf(*whole), reflect.ValueOf(*got), &lost)
		want = slices.Sorted(slices.Values(want))
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(lost))); diff != "" {
			t.Errorf("%s: taken off (-listed +really):\n%s", phase, diff)
		}
	}
}

// TestNodesLoseTheirImagesAlone likewise.
func TestNodesLoseTheirImagesAlone(t *testing.T) {
	whole := &corev1.Node{}
	fill(reflect.ValueOf(whole).Elem())
	got := whole.DeepCopy()
	NewPantry().Node(got)
	var lost []string
	missing("", reflect.ValueOf(*whole), reflect.ValueOf(*got), &lost)
	if diff := cmp.Diff([]string{"ObjectMeta.ManagedFields", "Status.Images"}, slices.Sorted(slices.Values(lost))); diff != "" {
		t.Errorf("taken off (-listed +really):\n%s", diff)
	}
	whole.ManagedFields, whole.Status.Images = nil, nil
	if diff := cmp.Diff(whole, got); diff != "" {
		t.Errorf("what stays is changed:\n%s", diff)
	}
}

// TestEachVolumeIsKeptOrNamed: of every kind of volume that there is.
func TestEachVolumeIsKeptOrNamed(t *testing.T) {
	kinds := reflect.TypeFor[corev1.VolumeSource]()
	var lost []string
	for i := range kinds.NumField() {
		v := corev1.Volume{Name: "v"}
		fill(reflect.ValueOf(&v.VolumeSource).Elem().Field(i))
		p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n", Volumes: []corev1.Volume{*v.DeepCopy()}}}
		NewPantry().Pod(p)
		if len(p.Spec.Volumes) == 0 {
			lost = append(lost, kinds.Field(i).Name)
		} else if diff := cmp.Diff(v, p.Spec.Volumes[0]); diff != "" {
			t.Error(diff)
		}
	}
	slices.Sort(lost)
	if diff := cmp.Diff([]string{"ConfigMap", "DownwardAPI", "Projected", "Secret"}, lost); diff != "" {
		t.Errorf("taken off (-listed +really):\n%s", diff)
	}
}

// TestStatesOfContainers: which of the three it is stays, and what is read of it.
func TestStatesOfContainers(t *testing.T) {
	at := metav1.NewTime(time.Unix(1, 0))
	for _, c := range []struct{ whole, want corev1.ContainerState }{
		{corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "a", Message: "b"}}, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "a"}}},
		{corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}}, corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		{corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "a", Message: "b", FinishedAt: at}},
			corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "a"}}},
	} {
		p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: c.whole}}}}
		NewPantry().Pod(p)
		if diff := cmp.Diff(c.want, p.Status.ContainerStatuses[0].State); diff != "" {
			t.Error(diff)
		}
	}
}

// fullPod says something in every field. Its volumes are one that stays.
func fullPod(phase corev1.PodPhase) *corev1.Pod {
	p := &corev1.Pod{}
	fill(reflect.ValueOf(p).Elem())
	p.Annotations = map[string]string{"tidemill.dev/do-not-disrupt": "true"}
	p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	p.Status.Phase = phase
	for i := range p.Status.Conditions {
		p.Status.Conditions[i].Status = corev1.ConditionTrue
	}
	return p
}

// fill gives a value in which nothing is empty.
func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case resource.Quantity:
		v.Set(reflect.ValueOf(resource.MustParse("7")))
		return
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.NewTime(time.Unix(1_700_000_000, 0))))
		return
	case intstr.IntOrString:
		v.Set(reflect.ValueOf(intstr.FromInt32(7)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	default:
		panic(fmt.Sprint("there is a field of a new kind: ", v.Type()))
	}
}

// missing adds the paths of what the whole one says and the lean one does not.
func missing(path string, whole, lean reflect.Value, into *[]string) {
	switch {
	case whole.IsZero():
	case lean.IsZero() || whole.Kind() == reflect.Slice && lean.Len() < whole.Len():
		*into = append(*into, path)
	case whole.Kind() == reflect.Pointer:
		missing(path, whole.Elem(), lean.Elem(), into)
	case whole.Kind() == reflect.Slice:
		for i := range whole.Len() {
			missing(path, whole.Index(i), lean.Index(i), into)
		}
	case whole.Kind() == reflect.Struct && whole.Type() != reflect.TypeFor[metav1.Time]() && whole.Type() != reflect.TypeFor[resource.Quantity]():
		fields(path, whole, lean, into)
	case !reflect.DeepEqual(whole.Interface(), lean.Interface()):
		*into = append(*into, path+" (changed)")
	}
}

func fields(path string, whole, lean reflect.Value, into *[]string) {
	stay, rebuilt := kept[path]
	for i := range whole.NumField() {
		name := whole.Type().Field(i).Name
		if rebuilt && !slices.Contains(stay, name) {
			continue
		}
		at := name
		if path != "" {
			at = path + "." + name
		}
		missing(at, whole.Field(i), lean.Field(i), into)
	}
}
