package oke

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// release is the newest one of a version for the pool.
func (w *world) release(id cloudprovider.PoolID, version string) cloudprovider.Release {
	w.t.Helper()
	list, err := w.Releases(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range list {
		if r.Kubernetes == version {
			return r
		}
	}
	w.t.Fatalf("no %s among %v", version, list)
	return cloudprovider.Release{}
}

// The PUT names the version and the source and nothing else; the boot volume
// keeps its size.
func TestSetReleaseBody(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 1, BootVolumeGB: 120})
	target := w.release(id, "v1.35.0")
	cost := w.requests(func() {
		if err := w.SetRelease(t.Context(), id, target); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff(map[string]int{"GetNodePool": 1, "GetCluster": 1, "GetImage": 1, "UpdateNodePool": 1}, cost); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	want := `{"kubernetesVersion":"v1.35.0","nodeSourceDetails":{"sourceType":"IMAGE","imageId":"` + target.Image + `","bootVolumeSizeInGBs":120}}`
	if got := w.lastWrite(); !sameJSON(t, got.body, want) || got.ifMatch == "" {
		t.Errorf("write %+v, want %s", got, want)
	}
}

func TestSetReleaseRefusals(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Size: 0})
	target := w.release(id, "v1.35.0")
	arm := okesim.Image{}
	for _, i := range w.sim.Images() {
		if i.Arch == "arm64" && i.KubernetesVersion == "v1.35.0" {
			arm = i
		}
	}
	for _, c := range []struct {
		name string
		r    cloudprovider.Release
		want error
		says string
	}{
		{"no version", cloudprovider.Release{Image: target.Image}, cloudprovider.ErrInvalid, "names a Kubernetes version"},
		{"a version without images", cloudprovider.Release{Kubernetes: "v1.34.9"}, cloudprovider.ErrNotFound, "name one"},
		{"newer than the control plane", cloudprovider.Release{Kubernetes: "v1.99.0", Image: target.Image}, cloudprovider.ErrInvalid, "upgrade the cluster first"},
		{"too old", cloudprovider.Release{Kubernetes: "v1.29.0", Image: target.Image}, cloudprovider.ErrInvalid, "3 are allowed"},
		{"another version's image", cloudprovider.Release{Kubernetes: "v1.34.2", Image: target.Image}, cloudprovider.ErrInvalid, "is for Kubernetes v1.35.0"},
		{"another architecture's image", cloudprovider.Release{Kubernetes: "v1.35.0", Image: arm.ID}, cloudprovider.ErrInvalid, "does not boot on"},
		{"an image that is not there", cloudprovider.Release{Kubernetes: "v1.35.0", Image: "ocid1.image.oc1.iad.none"}, cloudprovider.ErrNotFound, "choose one of the pool's releases"},
	} {
		err := w.SetRelease(t.Context(), id, c.r)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A retired image is known to the pool that has it and to nobody else.
	if err := w.sim.RetireImage(target.Image); err != nil {
		t.Fatal(err)
	}
	if err := w.SetRelease(t.Context(), id, target); !errors.Is(err, cloudprovider.ErrNotFound) {
		t.Errorf("retired image: %v", err)
	}
	if n := w.sim.Calls()["UpdateNodePool"]; n != 0 {
		t.Errorf("%d writes for refusals", n)
	}
}

// Releases are of the pool's own kind, and none that the control plane is too
// old for.
func TestReleasesOfThePool(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	gpu := w.addPool(okesim.Pool{Name: "gpu", Shape: "VM.GPU.A10.1"})
	arm := w.addPool(okesim.Pool{Name: "arm", Shape: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12})
	for id, infix := range map[cloudprovider.PoolID]string{gpu: "Gen2-GPU", arm: "aarch64"} {
		list, err := w.Releases(t.Context(), id)
		if err != nil || len(list) == 0 {
			t.Fatalf("%d releases, %v", len(list), err)
		}
		for _, r := range list {
			if !strings.Contains(r.ImageName, infix) {
				t.Errorf("release %v is not %s", r, infix)
			}
		}
	}
}

// Without an image it is the newest of the version, of the pool's own kind.
func TestSetReleaseFindsTheImage(t *testing.T) {
	w := newWorld(t, okesim.Options{})
	id := w.addPool(okesim.Pool{Name: "gpu", Shape: "VM.GPU.A10.1"})
	want := w.release(id, "v1.35.0")
	if err := w.SetRelease(t.Context(), id, cloudprovider.Release{Kubernetes: "v1.35.0"}); err != nil {
		t.Fatal(err)
	}
	v, err := w.sim.Pool(string(id))
	if err != nil || v.ImageID != want.Image || v.KubernetesVersion != "v1.35.0" || !strings.Contains(want.ImageName, "GPU") {
		t.Errorf("pool %+v, want %v, %v", v, want, err)
	}
}

func TestCheckSkew(t *testing.T) {
	for _, c := range []struct {
		worker, control string
		ok              bool
	}{
		{"v1.34.1", "v1.34.1", true}, {"v1.31.9", "v1.34.1", true}, {"v1.30.1", "v1.34.1", false}, {"v1.34.2", "v1.34.1", false},
		{"v1.35.0", "v1.34.1", false}, {"v1.25.4", "v1.27.2", true}, {"v1.24.1", "v1.27.2", false}, {"v1.25.0", "v1.28.2", true},
		{"latest", "v1.34.1", true}, {"v1.34.1", "", true},
	} {
		if err := checkSkew(c.worker, c.control); (err == nil) != c.ok || (err != nil && !errors.Is(err, cloudprovider.ErrInvalid)) {
			t.Errorf("%s under %s: %v", c.worker, c.control, err)
		}
	}
}
