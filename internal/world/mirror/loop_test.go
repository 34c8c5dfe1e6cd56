package mirror

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// clouds is a driver whose answer a test sets; it can only be looked at.
type clouds struct {
	cloudprovider.Provider
	mu    sync.Mutex // guards the fields below
	pools []cloudprovider.NodePool
	err   error
}

func (c *clouds) Pools(context.Context) ([]cloudprovider.NodePool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.pools), c.err
}

func (c *clouds) Instances(context.Context, cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	return nil, nil
}

func (c *clouds) set(err error, pools ...cloudprovider.NodePool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pools, c.err = pools, err
}

func newLoop(t *testing.T, c *clouds, intercept interceptor.Funcs, objects ...client.Object) (*Loop, *events.FakeRecorder) {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Pool{}).
		WithInterceptorFuncs(intercept).Build()
	recorder := events.NewFakeRecorder(20)
	l := &Loop{
		Client: api, Observer: &world.Observer{Reader: api, Fleet: cloudprovider.NewFleet(c, cloudprovider.FleetOptions{})},
		Events: recorder, Log: slog.New(slog.DiscardHandler),
	}
	if err := l.Register(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	return l, recorder
}

func pools(t *testing.T, l *Loop) map[string]v1alpha1.Pool {
	t.Helper()
	var list v1alpha1.PoolList
	if err := l.Client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]v1alpha1.Pool{}
	for _, p := range list.Items {
		out[p.Name] = p
	}
	return out
}

func TestLoopFollowsTheCloud(t *testing.T) {
	c := &clouds{}
	l, recorder := newLoop(t, c, interceptor.Funcs{})
	look := func() map[string]v1alpha1.Pool {
		t.Helper()
		if _, err := l.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		return pools(t, l)
	}
	c.set(nil, cloudprovider.NodePool{ID: "p1", Name: "Workers", Size: 3})
	if got := look(); len(got) != 1 || got["workers"].Spec.NodePoolID != "p1" {
		t.Fatalf("discovered %v", got)
	}
	if got := look()["workers"].Status; got.Size != 3 || got.NodePoolID != "p1" {
		t.Errorf("status = %+v", got)
	}
	c.set(errors.New("no route"))
	if got := look()["workers"].Status; got.Size != 3 || got.Conditions[0].Reason != "CloudUnavailable" {
		t.Errorf("cloud away: status = %+v", got)
	}
	c.set(nil)
	got := look()
	if len(got) != 1 || got["workers"].Status.Activity != "gone from OKE" {
		t.Errorf("pool deleted: %+v", got)
	}
	var told []string
	for range 2 {
		select {
		case e := <-recorder.Events:
			told = append(told, e)
		default:
			t.Fatalf("events = %v, want two", told)
		}
	}
	if !strings.Contains(told[0], "CloudUnavailable") || !strings.Contains(told[1], "NodePoolNotFound") {
		t.Errorf("events = %v", told)
	}
}

// One Pool that cannot be written leaves the others as they should be.
func TestOneBadPoolStaysOne(t *testing.T) {
	refused := errors.New("refused")
	c := &clouds{}
	c.set(nil, cloudprovider.NodePool{ID: "p1", Name: "a", Size: 1}, cloudprovider.NodePool{ID: "p2", Name: "b", Size: 2}, cloudprovider.NodePool{ID: "p3", Name: "c", Size: 3})
	object := func(name, id string) *v1alpha1.Pool {
		return &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PoolSpec{NodePoolID: id}}
	}
	l, _ := newLoop(t, c, interceptor.Funcs{
		Create: func(ctx context.Context, api client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if o.GetName() == "b" {
				return refused
			}
			return api.Create(ctx, o, opts...)
		},
	}, object("a", "p1"))
	if _, err := l.Once(t.Context()); !errors.Is(err, refused) {
		t.Errorf("error = %v, want the refusal", err)
	}
	got := pools(t, l)
	if got["a"].Status.Size != 1 || got["c"].Spec.NodePoolID != "p3" {
		t.Errorf("the others were not served: %+v", got)
	}
}

func TestRunWakesAndEnds(t *testing.T) {
	wake := make(chan struct{}, 1)
	looked := make(chan struct{}, 10)
	c := &clouds{}
	l, _ := newLoop(t, c, interceptor.Funcs{
		List: func(ctx context.Context, api client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, ok := list.(*v1alpha1.PoolList); ok {
				looked <- struct{}{}
			}
			return api.List(ctx, list, opts...)
		},
	})
	l.Wake, l.Interval = wake, time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	wait := func(what string, c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(time.Minute):
			t.Fatalf("%s: nothing in a minute", what)
		}
	}
	wait("first look", looked)
	wake <- struct{}{}
	wait("woken look", looked)
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run = %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Run did not end with its context")
	}
}
