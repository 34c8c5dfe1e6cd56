package providertest

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/tidemill/tidemill/cloudprovider"
)

func (b *bench) releaser() cloudprovider.Releaser {
	b.t.Helper()
	r, ok := b.Provider.(cloudprovider.Releaser)
	if !ok {
		b.t.Skip("the driver knows no releases")
	}
	return r
}

// other is a release that the pool does not have.
func (b *bench) other(r cloudprovider.Releaser, id cloudprovider.PoolID) cloudprovider.Release {
	b.t.Helper()
	list, err := r.Releases(b.ctx, id)
	b.ok(err)
	have := b.pool(id).Release
	for _, rel := range list {
		if rel.Image != have.Image {
			return rel
		}
	}
	b.t.Fatalf("no release beside %v in %v", have, list)
	return cloudprovider.Release{}
}

func releasesOrder(t *testing.T, b *bench) {
	r := b.releaser()
	id := b.AddPool("a", 0)
	list, err := r.Releases(b.ctx, id)
	b.ok(err)
	if len(list) < 3 {
		t.Fatalf("the harness's cloud has too few releases to tell their order: %v", list)
	}
	for i := 1; i < len(list); i++ {
		older, err := version.ParseSemantic(list[i].Kubernetes)
		b.ok(err)
		newer, err := version.ParseSemantic(list[i-1].Kubernetes)
		b.ok(err)
		if newer.LessThan(older) {
			t.Errorf("%v is before %v", list[i-1], list[i])
		}
		// The harness's images of one version differ in their date alone.
		if list[i].Kubernetes == list[i-1].Kubernetes && list[i].ImageName >= list[i-1].ImageName {
			t.Errorf("%v is before %v", list[i-1], list[i])
		}
	}
	if have := b.pool(id).Release; have.Kubernetes == "" || have.Image == "" {
		t.Errorf("the pool's release is %+v", have)
	}
}

func setReleaseNewOnly(t *testing.T, b *bench) {
	r := b.releaser()
	id := b.AddPool("a", 1)
	old := b.wantRunning(id, 1)[0]
	before := b.pool(id).Release
	target := b.other(r, id)
	b.Settle(id)
	b.ok(r.SetRelease(b.ctx, id, target))
	b.ok(r.SetRelease(b.ctx, id, target))
	if got := b.pool(id); got.Release.Image != target.Image || got.Release.Kubernetes != target.Kubernetes || got.Size != 1 {
		t.Fatalf("pool has %+v size %d, want %+v", got.Release, got.Size, target)
	}
	b.Settle(id)
	b.ok(b.Provider.Resize(b.ctx, id, 1, 2))
	b.wantRunning(id, 2)
	for _, in := range b.instances(id) {
		want := target
		if in.ID == old {
			want = before
		}
		if in.Release.Image != want.Image || in.Release.Kubernetes != want.Kubernetes {
			t.Errorf("%s has %+v, want %+v", in.ID, in.Release, want)
		}
	}
}

func setReleaseChecks(t *testing.T, b *bench) {
	r := b.releaser()
	id := b.AddPool("a", 0)
	before := b.pool(id).Release
	target := b.other(r, id)
	b.Settle(id)
	b.want(r.SetRelease(b.ctx, id, cloudprovider.Release{Kubernetes: target.Kubernetes, Image: "no-such-image"}), cloudprovider.ErrNotFound)
	wrong := target
	wrong.Kubernetes = "v1.2.3"
	b.want(r.SetRelease(b.ctx, id, wrong), cloudprovider.ErrInvalid)
	if got := b.pool(id).Release; got.Image != before.Image || got.Kubernetes != before.Kubernetes {
		t.Fatalf("release is now %+v", got)
	}
}

func setReleaseLost(t *testing.T, b *bench) {
	r := b.releaser()
	id := b.AddPool("a", 0)
	target := b.other(r, id)
	b.Settle(id)
	b.Inject(SetRelease, Lost)
	_ = r.SetRelease(b.ctx, id, target)
	b.ok(r.SetRelease(b.ctx, id, target))
	if got := b.pool(id).Release; got.Image != target.Image {
		t.Fatalf("release is %+v, want %+v", got, target)
	}
}
