package cycle

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

// onlyPool is an API server that has one Pool.
type onlyPool struct {
	client.Reader
	pool *v1alpha1.Pool
}

func (o onlyPool) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	o.pool.DeepCopyInto(into.(*v1alpha1.Pool))
	return nil
}

// A tool that keeps its books in a Pool's annotations, and writes at every moment, holds
// no run up; whatever people ask of tidemill there does, until it was seen.
func TestOnlyOurAnnotationsAreAsked(t *testing.T) {
	for key, held := range map[string]bool{
		"kubectl.kubernetes.io/last-applied-configuration": false,
		"example.com/synced-at":                            false,
		v1alpha1.AnnotationPause:                           true,
		v1alpha1.AnnotationAbort:                           true,
	} {
		_, p := gated()
		live := p.DeepCopy()
		live.Annotations[key] = "now"
		is := &turn{Loop: &Loop{Live: onlyPool{pool: live}}, pools: map[string]*world.Pool{p.Name: {Object: p}}}
		_, err := is.asAsked(t.Context(), p.Name)
		if (err != nil) != held || held && !changedMeanwhile(err) {
			t.Errorf("%s: %v, want held up %v (%v)", key, err, held, cloudprovider.ErrConflict)
		}
	}
}
