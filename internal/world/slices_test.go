package world_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func gpuSlice(node string, devices ...resourcev1.Device) resourcev1.ResourceSlice {
	return resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: node + "-gpu"}, Spec: resourcev1.ResourceSliceSpec{
		Driver: "gpu.example.com", NodeName: &node, Devices: devices, Pool: resourcev1.ResourcePool{Name: node, Generation: 1, ResourceSliceCount: 1},
	}}
}

func gpu(name string, taints ...resourcev1.DeviceTaint) resourcev1.Device {
	return resourcev1.Device{Name: name, Taints: taints, Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
		"uuid": {StringValue: new("GPU-4711")}, "product": {StringValue: new("A100")},
	}}
}

// TestTemplateSlices: which node is the example, and what of it is nobody else's.
func TestTemplateSlices(t *testing.T) {
	ill := resourcev1.DeviceTaint{Key: "ill", Effect: resourcev1.DeviceTaintEffectNoSchedule}
	tests := []struct {
		name   string
		change func(w *worldtest.World, slices []resourcev1.ResourceSlice) []resourcev1.ResourceSlice
		want   string // the example's device, "" for no template
	}{
		{"the youngest", func(_ *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice { return s }, "young"},
		{"nobody warns of it", func(_ *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice {
			s[1] = gpuSlice("n2", gpu("young", ill))
			return s
		}, "old"},
		{"it has shown all", func(_ *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice {
			s[1].Spec.Pool.ResourceSliceCount = 2
			return s
		}, "old"},
		{"it is Ready", func(w *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice {
			worldtest.NotReady(&w.Objects.Nodes[1])
			return s
		}, "old"},
		{"it is of the pool's shape", func(w *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice {
			w.Cloud.Pools[0].Shape = "VM.GPU.A10.1"
			w.Objects.Nodes[1].Labels[corev1.LabelInstanceTypeStable] = "VM.GPU.A10.2"
			return s
		}, "old"},
		{"no node has any", func(*worldtest.World, []resourcev1.ResourceSlice) []resourcev1.ResourceSlice { return nil }, ""},
		{"a pool over several nodes", func(_ *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice {
			s[1].Spec.Pool.Name = "n1"
			return s
		}, ""},
		{"an old generation goes", func(_ *worldtest.World, s []resourcev1.ResourceSlice) []resourcev1.ResourceSlice {
			before := gpuSlice("n2", gpu("before"))
			before.Name, before.Spec.Pool.Generation = "before", 0
			return append(s, before)
		}, "young"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := worldtest.New()
			w.AddPool("workers", "4", "16Gi")
			for i, name := range []string{"n1", "n2"} {
				w.AddNode("workers", name).CreationTimestamp = metav1.NewTime(w.Now.Add(time.Duration(i-5) * time.Hour))
			}
			w.Objects.ResourceSlices = tt.change(w, []resourcev1.ResourceSlice{gpuSlice("n1", gpu("old")), gpuSlice("n2", gpu("young"))})
			list, got := w.Snapshot().Pools[0].Slices, ""
			for _, x := range list {
				got += x.Spec.Devices[0].Name
			}
			if got != tt.want {
				t.Fatalf("the template has %q, want %q", got, tt.want)
			}
			if got == "" {
				return
			}
			d := list[0].Spec.Devices[0]
			if list[0].Spec.NodeName != nil || list[0].Spec.Pool.Name != "" || *d.Attributes["uuid"].StringValue == "GPU-4711" || *d.Attributes["product"].StringValue != "A100" {
				t.Errorf("the template is somebody's: %+v", list[0].Spec)
			}
		})
	}
}

// failing answers a list of devices with an error.
type failing struct {
	client.Reader
	err error
}

func (f failing) List(context.Context, client.ObjectList, ...client.ListOption) error { return f.err }

func TestDevicesThatCannotBeRead(t *testing.T) {
	group := schema.GroupResource{Group: "resource.k8s.io", Resource: "resourceclaims"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: group.Group}}, "does not serve"},
		{apierrors.NewNotFound(group, ""), "does not serve"},
		{apierrors.NewForbidden(group, "", errors.New("no")), "ClusterRole"},
		{errors.New("connection refused"), "connection refused"},
	} {
		got := world.ListDevices(failing{err: tt.err})(t.Context())
		if !strings.Contains(got.DevicesAway, tt.want) {
			t.Errorf("%v: away %q, want %q in it", tt.err, got.DevicesAway, tt.want)
		}
	}
	if got := world.ListDevices(failing{})(t.Context()); got.DevicesAway != "" {
		t.Errorf("nothing failed, and yet %q", got.DevicesAway)
	}
}
