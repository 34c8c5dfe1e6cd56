package externalgrpc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc/codes"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/kube"
)

// roomy is a node with so many CPUs and room for so many pods.
func roomy(cpu, pods string) *corev1.Node {
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse(pods)}
	return &corev1.Node{Status: corev1.NodeStatus{Capacity: room, Allocatable: room.DeepCopy()}}
}

// registered is the Node of a machine, Ready.
func registered(id cloudprovider.InstanceID, n int) *corev1.Node {
	node := roomy("4", "110")
	node.Status.Allocatable = roomy("3800m", "90").Status.Allocatable
	node.Name, node.UID = fmt.Sprintf("node-%d", n), types.UID(fmt.Sprintf("uid-%d", n))
	node.CreationTimestamp = metav1.NewTime(time.Now().Add(time.Duration(n)*time.Second - 10*time.Minute))
	node.Spec.ProviderID = string(id)
	node.Labels = map[string]string{"feature": "found", corev1.LabelHostname: node.Name}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return node
}

func clusterOf(t *testing.T, objects ...client.Object) (*Cluster, client.Client) {
	t.Helper()
	scheme, err := kube.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	c := kubefake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Pool{}).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
	return &Cluster{Reader: c, Client: c, GPULabel: "gpu"}, c
}

// peopled is a cloud with one pool, and the Nodes of its machines.
func peopled(t *testing.T, size int) (*fake.Cloud, cloudprovider.PoolID, []*corev1.Node) {
	t.Helper()
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Name: "workers", Size: size, Template: roomy("4", "110")})
	list, err := cloud.Instances(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*corev1.Node
	for i, in := range list {
		nodes = append(nodes, registered(in.ID, i))
	}
	return cloud, id, nodes
}

func serveNodes(t *testing.T, cloud *fake.Cloud, id cloudprovider.PoolID, nodes []*corev1.Node, more ...client.Object) (*served, client.Client) {
	t.Helper()
	for _, n := range nodes {
		more = append(more, n)
	}
	cluster, c := clusterOf(t, more...)
	return serve(t, cloud, Options{Cluster: cluster, GPULabel: "gpu", Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 5}}}}), c
}

// IDs are the Nodes' own, byte for byte, in whichever form the cluster writes
// them; machines without a Node get the form that is usual there.
func TestProviderIDsAreTheNodesOwn(t *testing.T) {
	cloud, id, nodes := peopled(t, 3)
	nodes[0].Spec.ProviderID = "oci://" + nodes[0].Spec.ProviderID
	nodes[1].Spec.ProviderID = "oci://" + nodes[1].Spec.ProviderID
	s, _ := serveNodes(t, cloud, id, nodes[:2])
	for i, in := range s.instances(id) {
		if !strings.HasPrefix(in.Id, "oci://") || i < 2 && in.Id != nodes[i].Spec.ProviderID {
			t.Errorf("id %q of node %d", in.Id, i)
		}
	}
}

// Without access to the API server the client's own questions teach the form;
// nodes that it made up from our list do not.
func TestProviderIDsAreLearnedFromQuestions(t *testing.T) {
	s, id := one(t, 2, 0, 5)
	raw := s.instances(id)[0].Id
	ask := func(n *wire.ExternalGrpcNode) string {
		if _, err := s.client.NodeGroupForNode(t.Context(), &wire.NodeGroupForNodeRequest{Node: n}); err != nil {
			t.Fatal(err)
		}
		return s.instances(id)[0].Id
	}
	if got := ask(failed("oci://" + raw)); got != raw {
		t.Errorf("a made-up node taught %q", got)
	}
	if got := ask(real("oci://" + raw)); got != "oci://"+raw {
		t.Errorf("id %q, want the node's own", got)
	}
	s.look()
	if got := ask(real(raw)); got != raw {
		t.Errorf("id %q, want the node's own", got)
	}
}

func TestTemplateIsLearned(t *testing.T) {
	cloud, id, nodes := peopled(t, 2)
	shared := corev1.Taint{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}
	nodes[0].Spec.Taints = []corev1.Taint{shared, {Key: "an-others", Effect: corev1.TaintEffectNoSchedule}, {Key: "node.kubernetes.io/unschedulable", Effect: corev1.TaintEffectNoSchedule}}
	nodes[1].Spec.Taints = []corev1.Taint{shared, {Key: "somebodys", Effect: corev1.TaintEffectNoSchedule}}
	nodes[1].Labels["gpu"] = "A10"
	static := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "proxy", Annotations: map[string]string{corev1.MirrorPodAnnotationKey: "x"}}}
	static.Spec.NodeName = nodes[1].Name
	static.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("300m")}}}}
	plain := static.DeepCopy()
	plain.Name, plain.Annotations = "web", nil
	s, _ := serveNodes(t, cloud, id, nodes, static, plain)
	check := func(when string) {
		n := s.template(id)
		if cpu := n.Status.Allocatable.Cpu().MilliValue(); cpu != 3500 {
			t.Errorf("%s: %dm CPU allocatable, want 3800m less the static pod's 300m", when, cpu)
		}
		if pods := n.Status.Allocatable.Pods().Value(); pods != 89 {
			t.Errorf("%s: room for %d pods, want 89", when, pods)
		}
		if n.Labels["feature"] != "found" || n.Labels[corev1.LabelHostname] != "template-workers" || n.Spec.ProviderID != "" {
			t.Errorf("%s: labels %v, provider ID %q", when, n.Labels, n.Spec.ProviderID)
		}
		if len(n.Spec.Taints) != 1 || n.Spec.Taints[0] != shared {
			t.Errorf("%s: taints %v, want those that every node has and that last", when, n.Spec.Taints)
		}
	}
	check("with nodes")
	r, err := s.client.GetAvailableGPUTypes(t.Context(), &wire.GetAvailableGPUTypesRequest{})
	if err != nil || len(r.GpuTypes) != 1 || r.GpuTypes["A10"] == nil {
		t.Errorf("GPU types %v, %v", r, err)
	}
	// What was learned outlasts the pool's last node.
	cloud.SetSize(id, 0)
	s.look()
	if n := len(s.instances(id)); n != 0 {
		t.Fatalf("%d instances", n)
	}
	check("without nodes")
}

// A pool of which nothing is known gets an error and not an empty answer, on
// which clients crash.
func TestTemplateIsNeverEmpty(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Template: &corev1.Node{}})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 5}}}})
	_, err := s.client.NodeGroupTemplateNodeInfo(t.Context(), &wire.NodeGroupTemplateNodeInfoRequest{Id: string(id)})
	wantCode(t, err, codes.FailedPrecondition)
}

// What tidemill disrupts is not the client's to delete, and the refusal says
// why; the other nodes are.
func TestMarkedNodesAreVetoed(t *testing.T) {
	cloud, id, nodes := peopled(t, 4)
	kube.SetMark(nodes[0], kube.Mark{Cause: kube.CauseRepair, Reason: "LeaseExpired", Since: time.Unix(0, 0)})
	nodes[1].Annotations = map[string]string{v1alpha1.AnnotationCycle: "doctor/disk"}
	nodes[2].Annotations = map[string]string{v1alpha1.AnnotationDisruption: "scribble"}
	s, _ := serveNodes(t, cloud, id, nodes)
	told := events.NewFakeRecorder(10)
	s.plugin.options.Cluster.Events = told
	_ = s.delete(id, real(nodes[0].Spec.ProviderID)) // and again below: one event
	for i, want := range []string{"LeaseExpired", "doctor/disk", "cannot be read"} {
		err := s.delete(id, real(nodes[3].Spec.ProviderID), real(nodes[i].Spec.ProviderID))
		wantCode(t, err, codes.FailedPrecondition)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("refusal %q does not say %q", err, want)
		}
	}
	if s.writes() != 0 {
		t.Fatal("a refused call deleted something")
	}
	if err := s.delete(id, real(nodes[3].Spec.ProviderID)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"LeaseExpired", "doctor/disk", "cannot be read"} {
		if e := <-told.Events; !strings.Contains(e, "ScaleDownRefused") || !strings.Contains(e, want) {
			t.Errorf("event %q, want one about %s", e, want)
		}
	}
	if len(told.Events) != 0 {
		t.Errorf("another event: %s", <-told.Events)
	}
	for cause, want := range map[string]float64{"disruption": 2, "request": 1, "unreadable": 1, "run": 0} {
		if got := testutil.ToFloat64(s.plugin.metrics.vetoes.WithLabelValues(cause)); got != want {
			t.Errorf("%v vetoes of cause %s, want %v", got, cause, want)
		}
	}
}

// Where the daemon runs its lessons count, also those of nodes that are gone.
func TestTheDaemonsLessonsCount(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Name: "workers", Shape: "S", Template: roomy("4", "110")})
	pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.PoolSpec{NodePoolID: string(id)}}
	pool.Status.Learned = []v1alpha1.LearnedTemplate{{Shape: "S", Promised: roomy("4", "110").Status.Capacity, Nodes: 3,
		Allocatable: roomy("3500m", "80").Status.Allocatable, Labels: map[string]string{"rack": "r"}}}
	s, _ := serveNodes(t, cloud, id, nil, pool)
	n := s.template(id)
	if n.Status.Allocatable.Cpu().String() != "3500m" || n.Status.Allocatable.Pods().Value() != 80 || n.Labels["rack"] != "r" {
		t.Errorf("template %v %v", n.Labels, n.Status.Allocatable)
	}
}

// While a pool is turned over nothing is deleted, and growth is told to the run.
func TestACyclingPool(t *testing.T) {
	cloud, id, nodes := peopled(t, 5) // 4 desired and 1 of surge; 5 at most
	pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.PoolSpec{NodePoolID: "workers"}}
	pool.Status.Cycle = &v1alpha1.CycleStatus{Request: "tidemill.dev/cycle=now", Desired: 4, StartedAt: metav1.Now()}
	s, c := serveNodes(t, cloud, id, nodes, pool)
	err := s.delete(id, real(nodes[0].Spec.ProviderID))
	wantCode(t, err, codes.FailedPrecondition)
	if !strings.Contains(err.Error(), "tidemill.dev/cycle=now") {
		t.Errorf("refusal %q does not say which run", err)
	}
	_, err = s.client.NodeGroupDecreaseTargetSize(t.Context(), &wire.NodeGroupDecreaseTargetSizeRequest{Id: string(id), Delta: -1})
	wantCode(t, err, codes.FailedPrecondition)
	grow := func() error {
		_, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 1})
		return err
	}
	if err := grow(); err != nil || s.size(id) != 6 { // surge does not count against the maximum
		t.Fatalf("size %d, %v", s.size(id), err)
	}
	var after v1alpha1.Pool
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(pool), &after); err != nil || after.Status.Cycle.Desired != 5 {
		t.Errorf("the run's desired size is %d, want 5 (%v)", after.Status.Cycle.Desired, err)
	}
	s.look()
	wantCode(t, grow(), codes.OutOfRange)
}

// A run may have ended a node before its successor is there. That one comes anyway, and
// whoever asks for a node meanwhile is not given it beside: the pool would end one larger
// than asked for, and than it may be.
func TestGrowthOfAPoolThatIsShort(t *testing.T) {
	for name, c := range map[string]struct{ delta, size, desired int }{
		"what the run makes anyway": {1, 4, 4}, "one more than that": {3, 5, 5},
	} {
		cloud, id, nodes := peopled(t, 2) // 4 desired, 5 at most
		pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.PoolSpec{NodePoolID: "workers"}}
		pool.Status.Cycle = &v1alpha1.CycleStatus{Request: "tidemill.dev/cycle=now", Desired: 4, StartedAt: metav1.Now()}
		s, k := serveNodes(t, cloud, id, nodes, pool)
		_, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: int32(c.delta)})
		var after v1alpha1.Pool
		if again := k.Get(t.Context(), client.ObjectKeyFromObject(pool), &after); err != nil || again != nil || s.size(id) != c.size || int(after.Status.Cycle.Desired) != c.desired {
			t.Errorf("%s: size %d, desired %d: %v, %v", name, s.size(id), after.Status.Cycle.Desired, err, again)
		}
	}
}

// The size of a pool in a run goes up and down with the surge: growth that meets
// that is tried again on the newest size.
func TestGrowthMeetsSurge(t *testing.T) {
	cloud, id, nodes := peopled(t, 2)
	pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.PoolSpec{NodePoolID: "workers"}}
	pool.Status.Cycle = &v1alpha1.CycleStatus{Request: "tidemill.dev/cycle=now", Desired: 2, StartedAt: metav1.Now()}
	s, c := serveNodes(t, cloud, id, nodes, pool)
	cloud.SetSize(id, 3) // the run's surge, after the look
	_, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 2})
	if err != nil || s.size(id) != 5 {
		t.Fatalf("size %d, %v", s.size(id), err)
	}
	var after v1alpha1.Pool
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(pool), &after); err != nil || after.Status.Cycle.Desired != 4 {
		t.Errorf("the run's desired size is %d, want 4 (%v)", after.Status.Cycle.Desired, err)
	}
}

func TestPoolObjectsChooseAndTune(t *testing.T) {
	cloud, id, nodes := peopled(t, 1)
	cloud.AddPool(fake.Pool{Size: 1}) // no object, no tags: no group
	pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers"}, Spec: v1alpha1.PoolSpec{NodePoolID: string(id), Scale: &v1alpha1.ScaleSpec{
		MinSize: 1, MaxSize: 7, Down: &v1alpha1.ScaleDownSpec{UnneededFor: &metav1.Duration{Duration: 3 * time.Minute}}}}}
	cluster, _ := clusterOf(t, pool, nodes[0])
	s := serve(t, cloud, Options{Cluster: cluster, Selection: Selection{Pools: true}})
	r, err := s.client.NodeGroups(t.Context(), &wire.NodeGroupsRequest{})
	if err != nil || len(r.NodeGroups) != 1 || r.NodeGroups[0].MinSize != 1 || r.NodeGroups[0].MaxSize != 7 {
		t.Fatalf("groups %v, %v", r, err)
	}
	answer, err := s.raw("NodeGroupGetOptions", join(field(1, string(id)), field(2, join(thresholds, legacy))))
	if err != nil {
		t.Fatal(err)
	}
	got, want := fields(t, fields(t, answer)[1][0])[3][0], fields(t, inlined(3, 3*time.Minute))[3][0]
	if string(got) != string(want) {
		t.Errorf("unneeded time %x, want %x", got, want)
	}
}
