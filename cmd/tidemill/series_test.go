package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale"
)

// bigWorld has 2,000 nodes in 20 pools, of which a tenth is broken, and pods that
// nothing helps; every name is one of a kind.
func bigWorld() *worldtest.World {
	w := worldtest.New()
	for p := range 20 {
		pool := fmt.Sprintf("pool-%02d", p)
		w.AddPool(pool, "4", "16Gi", worldtest.Scale(1, 100), func(o *v1alpha1.Pool) {
			o.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}
			o.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}
			o.Annotations = map[string]string{v1alpha1.AnnotationCycle: "now"}
		})
		for i := range 100 {
			var opts []func(*corev1.Node)
			if i%10 == 0 {
				opts = append(opts, worldtest.NotReady)
			}
			w.AddNode(pool, fmt.Sprintf("machine-%02d-%03d", p, i), opts...)
		}
	}
	for i := range 50 {
		w.AddPod(fmt.Sprintf("pending-%03d", i), "64", "1Gi")
	}
	return w
}

// TestSeriesAreFew: what docs/metrics.md promises of 2,000 nodes, counted after a
// look of every loop. No label has the name of a node, a pod or a machine.
func TestSeriesAreFew(t *testing.T) {
	w := bigWorld()
	c := deafClient(t, w)
	registry := prometheus.NewRegistry()
	fleet := cloudprovider.NewFleet(frozen{w.Cloud}, cloudprovider.FleetOptions{})
	clientset, err := kubernetes.NewForConfig(&rest.Config{Host: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	o, log := &world.Observer{Reader: c, Fleet: fleet}, slog.New(slog.DiscardHandler)
	m := &mirror.Loop{Client: c, Observer: o, Log: log}
	s := &scale.Loop{Client: c, Observer: o, Fleet: fleet, Log: log}
	y := &cycle.Loop{Client: c, Live: c, Clientset: clientset, Observer: o, Fleet: fleet, Log: log}
	d := &doctor.Loop{Client: c, Observer: o, Log: log}
	y.Register(registry)
	for _, register := range []func(prometheus.Registerer) error{fleet.Register, m.Register, s.Register, d.Register} {
		if err := register(registry); err != nil {
			t.Fatal(err)
		}
	}
	// Looks end with errors here: the world is frozen, and writes are not heard.
	_, _ = m.Once(t.Context())
	_, _ = s.Once(t.Context())
	_, _ = y.Once(t.Context())
	_, _ = d.Once(t.Context())
	series, pools := 0, map[string]bool{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, one := range f.Metric {
			series += 1
			if h := one.Histogram; h != nil {
				series += len(h.Bucket) + 2
			}
			for _, l := range one.Label {
				if strings.Contains(l.GetValue(), "machine-") || strings.Contains(l.GetValue(), "pending-") {
					t.Fatalf("%s has a label %s=%q", f.GetName(), l.GetName(), l.GetValue())
				}
				if l.GetName() == "pool" {
					pools[l.GetValue()] = true
				}
			}
		}
	}
	if len(pools) != 20 || series < 300 {
		t.Fatalf("%d series of %d pools: the looks saw nothing", series, len(pools))
	}
	if series >= maxSeries {
		t.Errorf("%d series, docs/metrics.md promises fewer than %d", series, maxSeries)
	}
	t.Logf("%d series at 2,000 nodes in 20 pools", series)
}

// frozen is a cloud that shows the world and does nothing.
type frozen struct{ cloudprovider.Cloud }

func (f frozen) Pools(context.Context) ([]cloudprovider.NodePool, error) { return f.Cloud.Pools, nil }

func (f frozen) Instances(_ context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	return f.Cloud.Instances[id], nil
}

func (f frozen) Resize(context.Context, cloudprovider.PoolID, int, int) error { return nil }

func (f frozen) Delete(context.Context, cloudprovider.PoolID, ...cloudprovider.InstanceID) error {
	return nil
}

// deafClient reads the world and forgets what it is told to write.
func deafClient(t *testing.T, w *worldtest.World) client.Client {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	b := fake.NewClientBuilder().WithScheme(scheme)
	for i := range w.Objects.Pools {
		b.WithObjects(&w.Objects.Pools[i])
	}
	for i := range w.Objects.Nodes {
		b.WithObjects(&w.Objects.Nodes[i])
	}
	for i := range w.Objects.Pods {
		b.WithObjects(&w.Objects.Pods[i])
	}
	b.WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})
	return b.WithInterceptorFuncs(interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return nil },
		Update: func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error { return nil },
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return nil
		},
		Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
			return nil
		},
		SubResourceApply: func(context.Context, client.Client, string, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
			return nil
		},
		SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			return nil
		},
		SubResourceUpdate: func(context.Context, client.Client, string, client.Object, ...client.SubResourceUpdateOption) error {
			return nil
		},
	}).Build()
}
