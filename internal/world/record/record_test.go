package record

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// sample is a world with something of everything, secrets included.
func sample() *worldtest.World {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(1, 9))
	w.AddPool("nobody", "2", "8Gi").Health.Err = errors.New("the pool is being changed")
	n := w.AddNode("workers", "n1")
	n.Annotations["internal.example/token"] = "hunter2"
	in := w.AddInstance("workers", "failed", cloudprovider.Failed)
	in.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Message: "Out of host capacity."}
	p := w.AddPod("web", "1", "1Gi", worldtest.On("n1"), worldtest.OwnedBy("ReplicaSet", "web"))
	c := &p.Spec.Containers[0]
	c.Env = []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}}
	c.Args, c.Command, c.Image = []string{"--key=hunter2"}, []string{"hunter2"}, "registry.example/hunter2"
	p.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "tidemill.dev/do-not-disrupt": "true"}
	p.Spec.Volumes = []corev1.Volume{{Name: "s", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "hunter2"}}}}
	w.AddPod("waits", "2", "1Gi")
	addDevices(w)
	return w
}

// addDevices adds claims, one of them given, with what their driver is told.
func addDevices(w *worldtest.World) {
	told := resourcev1.DeviceConfiguration{Opaque: &resourcev1.OpaqueDeviceConfiguration{
		Driver: "gpu.example.com", Parameters: runtime.RawExtension{Raw: []byte(`{"key":"hunter2"}`)},
	}}
	spec := resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{
		Requests: []resourcev1.DeviceRequest{{Name: "it", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: "gpu", Count: 1}}},
		Config:   []resourcev1.DeviceClaimConfiguration{{DeviceConfiguration: told}},
	}}
	claim := resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c"}, Spec: spec}
	claim.Status.Allocation = &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{
		Results: []resourcev1.DeviceRequestAllocationResult{{Request: "it", Driver: "gpu.example.com", Pool: "n1", Device: "gpu-0"}},
		Config:  []resourcev1.DeviceAllocationConfiguration{{DeviceConfiguration: told}},
	}}
	w.Objects.ResourceClaims = []resourcev1.ResourceClaim{claim}
	w.Objects.ResourceClaimTemplates = []resourcev1.ResourceClaimTemplate{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "t"}, Spec: resourcev1.ResourceClaimTemplateSpec{Spec: spec},
	}}
	w.Objects.DeviceClasses = []resourcev1.DeviceClass{{
		ObjectMeta: metav1.ObjectMeta{Name: "gpu"}, Spec: resourcev1.DeviceClassSpec{Config: []resourcev1.DeviceClassConfiguration{{DeviceConfiguration: told}}},
	}}
	w.Objects.ResourceSlices = []resourcev1.ResourceSlice{{ObjectMeta: metav1.ObjectMeta{Name: "n1-gpu"}, Spec: resourcev1.ResourceSliceSpec{
		Driver: "gpu.example.com", NodeName: new("n1"), Pool: resourcev1.ResourcePool{Name: "n1", Generation: 1, ResourceSliceCount: 1},
		Devices: []resourcev1.Device{{Name: "gpu-0"}},
	}}}
}

// TestDevicesAreKept: a recorded look knows the devices that the look knew.
func TestDevicesAreKept(t *testing.T) {
	s := sample().Snapshot()
	read, err := Read(bytes.NewReader(written(t, Of(s))))
	if err != nil {
		t.Fatal(err)
	}
	d := read.Snapshot().Devices
	if len(d.Claims) != 1 || d.Claims[0].Status.Allocation == nil || len(d.Templates) != 1 || len(d.Classes) != 1 || len(d.Slices) != 1 {
		t.Errorf("read back: %d claims, %d templates, %d classes, %d slices", len(d.Claims), len(d.Templates), len(d.Classes), len(d.Slices))
	}
	if diff := cmp.Diff(s.Devices.Slices, d.Slices); diff != "" {
		t.Error(diff)
	}
}

func written(t testing.TB, r Record) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestWhatIsReadIsWhatWasWritten: taking a snapshot apart a second time gives the
// same record, so nothing that the first kept was lost on the way.
func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	first := Of(sample().Snapshot())
	read, err := Read(bytes.NewReader(written(t, first)))
	if err != nil {
		t.Fatal(err)
	}
	s := read.Snapshot()
	a, _ := json.Marshal(first)
	b, _ := json.Marshal(Of(s))
	if diff := cmp.Diff(string(a), string(b)); diff != "" {
		t.Error(diff)
	}
	if len(s.Pools) != 2 || len(s.Pending) != 1 || s.Pools[0].Cloud.Health.Err == nil && s.Pools[1].Cloud.Health.Err == nil {
		t.Errorf("read back: %d pools, %d pending", len(s.Pools), len(s.Pending))
	}
}

func TestSecretsStayBehind(t *testing.T) {
	text, err := json.Marshal(Of(sample().Snapshot()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("a secret is in the record: %s", text)
	}
	if !strings.Contains(string(text), "do-not-disrupt") {
		t.Error("an annotation that decisions read is not in the record")
	}
}

// TestEveryKindOfObjectIsRecorded fails when a look learns to read another kind:
// Of must take it apart too, or plans made offline differ.
func TestEveryKindOfObjectIsRecorded(t *testing.T) {
	known := []string{"Pools", "Nodes", "Pods", "PDBs", "DaemonSets", "Namespaces", "PVCs", "PVs", "StorageClasses", "CSINodes", "Attachments", "Services",
		"DeviceObjects", "ResourceClaims", "ResourceClaimTemplates", "DeviceClasses", "ResourceSlices", "DevicesAway"}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[world.Objects]()) {
		if !slices.Contains(known, f.Name) {
			t.Errorf("world.Objects has %s, which addOthers in strip.go does not record", f.Name)
		}
	}
}

// zipped is text as a file.
func zipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

func TestBrokenFilesAreOneSentence(t *testing.T) {
	good := written(t, Of(sample().Snapshot()))
	tests := map[string][]byte{
		"empty":              nil,
		"no gzip":            []byte("apiVersion: v1\nkind: Pod\n"),
		"no JSON":            zipped("\x00\x01\n\n"),
		"cut":                good[:len(good)-20],
		"flipped":            append(append([]byte{}, good[:len(good)-6]...), 1, 2, 3, 4, 5, 6),
		"another format":     zipped(`{"format":"x","version":1}`),
		"a later version":    zipped(`{"format":"tidemill-snapshot","version":2}`),
		"no time":            zipped(`{"format":"tidemill-snapshot","version":1}`),
		"nameless":           zipped(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","objects":{"Nodes":[{}]}}`),
		"no containers":      zipped(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","objects":{"Pods":[{"metadata":{"name":"a"}}]}}`),
		"a negative size":    zipped(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","cloud":{"pools":[{"ID":"a","Size":-1}]}}`),
		"an absurd size":     zipped(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","cloud":{"pools":[{"ID":"a","Size":2000000000}]}}`),
		"twice the same":     zipped(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","cloud":{"pools":[{"ID":"a"},{"ID":"a"}]}}`),
		"an error as object": zipped(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","cloud":{"pools":[{"ID":"a","Health":{"Err":{}}}]}}`),
		"long words":         zipped(`{"format":"` + strings.Repeat("é", 5000) + `","version":1}`),
	}
	for name, content := range tests {
		_, err := Read(bytes.NewReader(content))
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v, want ErrBroken", name, err)
			continue
		}
		if text := err.Error(); strings.Contains(text, "\n") || len(text) > 400 {
			t.Errorf("%s: %q is no sentence", name, text)
		}
	}
}

// FuzzRead: whatever the bytes, Read gives an error of one line or a record that
// makes a snapshot.
func FuzzRead(f *testing.F) {
	text, err := json.Marshal(Of(sample().Snapshot()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":"tidemill-snapshot","version":1,"now":"2026-03-01T12:00:00Z","objects":{"Pools":[{"spec":{"scale":{}}}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Read(bytes.NewReader(zipped(string(text))))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has several lines", err)
			}
			return
		}
		if s := r.Snapshot(); s.Now != r.Now || s.Now.Equal(time.Time{}) {
			t.Errorf("the snapshot is of %s, the record of %s", s.Now, r.Now)
		}
	})
}
