package scale

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// plant is a cluster in memory, a cloud in memory, and a loop between them. It
// must be made in a synctest bubble: time passes only by time.Sleep.
type plant struct {
	*Loop
	t       *testing.T
	api     client.Client
	cloud   *cloudfake.Cloud
	events  *events.FakeRecorder
	broken  map[string]error // node name to what its patch is answered with
	patches int
}

func newPlant(t *testing.T, latency cloudfake.Latency) *plant {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{t: t, events: events.NewFakeRecorder(1000), cloud: cloudfake.New(cloudfake.Options{Latency: latency}), broken: map[string]error{}}
	p.api = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.Pool{}, &corev1.Node{},
		wishObject("CapacityBuffer", "v1beta1", "", nil), wishObject("ProvisioningRequest", "v1", "", nil)).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, patch client.Patch, opts ...client.PatchOption) error {
				p.patches++
				if err := p.broken[o.GetName()]; err != nil {
					return err
				}
				return c.Patch(ctx, o, patch, opts...)
			},
		}).Build()
	p.restart()
	return p
}

// restart makes a loop that remembers nothing.
func (p *plant) restart() {
	fleet := cloudprovider.NewFleet(p.cloud, cloudprovider.FleetOptions{})
	p.Loop = &Loop{Client: p.api, Fleet: fleet, Events: p.events, Observer: &world.Observer{Reader: p.api, Fleet: fleet}}
}

func (p *plant) create(objects ...client.Object) {
	p.t.Helper()
	for _, o := range objects {
		if err := p.api.Create(p.t.Context(), o); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *plant) pool(name string, size int, zone cloudprovider.Zone, lo, hi int32) cloudprovider.PoolID {
	p.t.Helper()
	id := p.cloud.AddPool(cloudfake.Pool{Name: name, Size: size, Zones: []cloudprovider.Zone{zone}})
	object := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PoolSpec{NodePoolID: string(id)}}
	worldtest.Scale(lo, hi)(object)
	p.create(object)
	return id
}

// join makes a Node, Ready and passed, of each running machine that has none.
func (p *plant) join(id cloudprovider.PoolID) {
	p.t.Helper()
	pools, err := p.cloud.Pools(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	list, err := p.cloud.Instances(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, in := range list {
		if in.State != cloudprovider.Running {
			continue
		}
		at := slices.IndexFunc(pools, func(np cloudprovider.NodePool) bool { return np.ID == id })
		n := pools[at].Placements[0].Template.DeepCopy()
		n.Name, n.UID = in.Name, types.UID("uid-"+in.Name)
		n.Spec.ProviderID, n.CreationTimestamp = string(in.ID), metav1.Now()
		n.Status.Conditions = []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse},
		}
		if err := p.api.Create(p.t.Context(), n); client.IgnoreAlreadyExists(err) != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *plant) pods(name string, n int, cpu string, opts ...func(*corev1.Pod)) {
	p.t.Helper()
	for i := range n {
		w := worldtest.New()
		w.Now = time.Now().Add(time.Minute) // AddPod makes pods a minute old
		p.create(w.AddPod(fmt.Sprintf("%s-%02d", name, i), cpu, "1Gi", append(opts, worldtest.OwnedBy("ReplicaSet", name))...))
	}
}

// refuse has the scheduler say of the pods that they fit nowhere.
func (p *plant) refuse(name string) {
	p.t.Helper()
	var pods corev1.PodList
	if err := p.api.List(p.t.Context(), &pods); err != nil {
		p.t.Fatal(err)
	}
	for i := range pods.Items {
		if pod := &pods.Items[i]; strings.HasPrefix(pod.Name, name+"-") {
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable})
			if err := p.api.Status().Update(p.t.Context(), pod); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

func (p *plant) look() Plan {
	p.t.Helper()
	plan, err := p.Once(p.t.Context())
	if err != nil {
		p.t.Fatalf("look: %v\n%s", err, plan)
	}
	return plan
}

// resizes are the sizes asked of the cloud so far.
func (p *plant) resizes() []string {
	var out []string
	for _, c := range p.cloud.Calls() {
		if c.Op == "Resize" {
			out = append(out, fmt.Sprintf("%s %d->%d", c.Pool, c.From, c.To))
		}
	}
	return out
}

// said are the events since the last time, by how often each.
func (p *plant) said(reason string) (n int, last string) {
	for range len(p.events.Events) {
		if e := <-p.events.Events; strings.Contains(e, " "+reason+" ") {
			n, last = n+1, e
		}
	}
	return n, last
}

func get[T client.Object](p *plant, name string, into T) T {
	p.t.Helper()
	if err := p.api.Get(p.t.Context(), client.ObjectKey{Name: name}, into); err != nil {
		p.t.Fatal(err)
	}
	return into
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %q, want %q", what, got, want)
	}
}
