package world_test

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// fixed is a driver with one pool, which accepts any size.
type fixed struct {
	cloudprovider.Provider
	err error
}

func (f fixed) Pools(context.Context) ([]cloudprovider.NodePool, error) {
	return []cloudprovider.NodePool{{ID: "p1", Name: "workers", Size: 3}}, f.err
}

func (f fixed) Instances(context.Context, cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	return nil, nil
}

func (f fixed) Resize(context.Context, cloudprovider.PoolID, int, int) error { return nil }

func observer(t *testing.T, p cloudprovider.Provider, intercept interceptor.Funcs) *world.Observer {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(intercept).Build()
	return &world.Observer{
		Reader: c, Fleet: cloudprovider.NewFleet(p, cloudprovider.FleetOptions{}), ControlPlane: func() string { return "v1.36.3" },
	}
}

// Whoever looks has told the Fleet how large each pool may get.
func TestObserveSetsBounds(t *testing.T) {
	o := observer(t, fixed{}, interceptor.Funcs{})
	s, err := o.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Pools) != 1 || s.ControlPlane != "v1.36.3" || s.CloudObserved.IsZero() {
		t.Errorf("snapshot = %+v", s)
	}
	if err := o.Fleet.Resize(t.Context(), "p1", 3, 4); err != nil {
		t.Errorf("resize to the ceiling: %v", err)
	}
	if err := o.Fleet.Resize(t.Context(), "p1", 3, 5); !errors.Is(err, cloudprovider.ErrOutOfBounds) {
		t.Errorf("resize past the ceiling: %v", err)
	}
}

// Without the cloud reporting goes on; without the cluster nothing does.
func TestObserveErrors(t *testing.T) {
	away := errors.New("away")
	s, err := observer(t, fixed{err: away}, interceptor.Funcs{}).Observe(t.Context())
	if err != nil || !errors.Is(s.CloudErr, away) {
		t.Errorf("cloud away: %v, %v", s, err)
	}
	o := observer(t, fixed{}, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, l client.ObjectList, opts ...client.ListOption) error {
			if _, ok := l.(*corev1.NodeList); ok {
				return away
			}
			return c.List(ctx, l, opts...)
		},
	})
	if s, err := o.Observe(t.Context()); !errors.Is(err, away) || s != nil {
		t.Errorf("cluster away: %v, %v", s, err)
	}
}
