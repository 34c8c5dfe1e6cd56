package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// still is a cloud that never changes by itself, and refuses to be changed: the
// doctor has no business with it.
type still struct{ *clinic }

func (s still) Pools(context.Context) ([]cloudprovider.NodePool, error) {
	return s.Cloud.Pools, s.Cloud.Err
}

func (s still) Instances(_ context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	return s.Cloud.Instances[id], nil
}

func (s still) Resize(context.Context, cloudprovider.PoolID, int, int) error {
	return errors.New("the doctor resized a pool")
}

func (s still) Delete(context.Context, cloudprovider.PoolID, ...cloudprovider.InstanceID) error {
	return errors.New("the doctor deleted an instance")
}

// practice is the whole loop against a fake API server.
type practice struct {
	*Loop
	clinic *clinic
	api    client.Client
	events *events.FakeRecorder
	writes *int
}

// open puts the clinic's objects behind a fake API server. It must be called in
// a synctest bubble: time passes only by time.Sleep.
func open(t *testing.T, c *clinic) *practice {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	for i := range c.Objects.Pools {
		objects = append(objects, &c.Objects.Pools[i])
	}
	for i := range c.Objects.Nodes {
		objects = append(objects, &c.Objects.Nodes[i])
	}
	for i := range c.Objects.Pods {
		objects = append(objects, &c.Objects.Pods[i])
	}
	for i := range c.Objects.DaemonSets {
		objects = append(objects, &c.Objects.DaemonSets[i])
	}
	p := &practice{clinic: c, events: events.NewFakeRecorder(1000), writes: new(int)}
	p.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&corev1.Node{}, &v1alpha1.Pool{}).Build()
	counted := interceptor.NewClient(p.api.(client.WithWatch), interceptor.Funcs{
		Patch: func(ctx context.Context, w client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
			*p.writes++
			return w.Patch(ctx, o, patch, opts...)
		},
		SubResourceApply: func(ctx context.Context, w client.Client, sub string, o runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
			*p.writes++
			return w.SubResource(sub).Apply(ctx, o, opts...)
		},
	})
	p.Loop = &Loop{Client: counted, Events: p.events, Observer: &world.Observer{
		Reader: p.api, Fleet: cloudprovider.NewFleet(still{c}, cloudprovider.FleetOptions{}), ControlPlane: func() string { return c.controlPlane }}}
	for _, n := range c.Objects.Nodes {
		p.renew(t, n.Name)
	}
	return p
}

func (p *practice) renew(t *testing.T, node string) {
	t.Helper()
	at := metav1.NewMicroTime(time.Now())
	var l coordinationv1.Lease
	err := p.api.Get(t.Context(), client.ObjectKey{Namespace: corev1.NamespaceNodeLease, Name: node}, &l)
	l.Namespace, l.Name, l.Spec.RenewTime = corev1.NamespaceNodeLease, node, &at
	if err == nil {
		err = p.api.Update(t.Context(), &l)
	} else {
		err = p.api.Create(t.Context(), &l)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (p *practice) node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	var n corev1.Node
	if err := p.api.Get(t.Context(), client.ObjectKey{Name: name}, &n); err != nil {
		t.Fatal(err)
	}
	return &n
}

func (p *practice) pool(t *testing.T) *v1alpha1.Pool {
	t.Helper()
	var pool v1alpha1.Pool
	if err := p.api.Get(t.Context(), client.ObjectKey{Name: "workers"}, &pool); err != nil {
		t.Fatal(err)
	}
	return &pool
}

// look looks once after renewing the leases of the nodes that are Ready.
func (p *practice) look(t *testing.T) Report {
	t.Helper()
	for _, n := range p.clinic.Objects.Nodes {
		if c := condition(p.node(t, n.Name), corev1.NodeReady); c != nil && c.Status == corev1.ConditionTrue {
			p.renew(t, n.Name)
		}
	}
	r, err := p.Once(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// kubelet sets Ready as the kubelet, or the node controller, would.
func (p *practice) kubelet(t *testing.T, node string, s corev1.ConditionStatus) {
	t.Helper()
	n := p.node(t, node)
	set(n, corev1.NodeReady, s, time.Now().Truncate(time.Second))
	if err := p.api.Status().Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func (p *practice) told() []string {
	var out []string
	for {
		select {
		case e := <-p.events.Events:
			out = append(out, strings.Join(strings.Fields(e)[:2], " "))
		default:
			return out
		}
	}
}

func condition(n *corev1.Node, t corev1.NodeConditionType) *corev1.NodeCondition {
	return (&world.Node{Object: n}).Condition(t)
}

// practiceOf opens a practice with n nodes that are well and unexamined.
func practiceOf(t *testing.T, n int, opts ...func(*v1alpha1.Pool)) *practice {
	c := newClinic(opts...)
	c.Now = time.Now()
	c.Cloud.Observed = c.Now
	for i := range n {
		c.addNode(fmt.Sprintf("n%d", i+1))
		unset(c.node(fmt.Sprintf("n%d", i+1)), v1alpha1.NodeConditionProblem)
	}
	return open(t, c)
}
