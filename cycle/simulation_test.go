package cycle

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/internal/world"
)

var (
	oldRelease = cloudprovider.Release{Kubernetes: "v1.33.1", Image: "old", ImageName: "Linux-2026.05.29"}
	newRelease = cloudprovider.Release{Kubernetes: "v1.34.1", Image: "new", ImageName: "Linux-2026.07.31"}
	// What the cloud offers too, and the control plane of v1.34.1 does not bear.
	tooNew = cloudprovider.Release{Kubernetes: "v1.35.0", Image: "too-new", ImageName: "Linux-2026.09.30"}
	tooOld = cloudprovider.Release{Kubernetes: "v1.30.9", Image: "too-old", ImageName: "Linux-2025.01.31"}
)

// setting is a pool and its load.
type setting struct {
	size, pods, zones  int
	firm               int // pods beside those, that no budget lets go
	surge, unavailable intstr.IntOrString
	minAvailable       int
	lag                int // looks by which the cache is behind
	spec               func(*v1alpha1.CycleSpec)
	basic              bool                   // the cloud offers no features of enhanced clusters
	edit               func(*simulation, int) // what others do at each tick, nil for nothing
	prepare            func(*corev1.Node)     // what a Node has when it registers
}

// tester is *testing.T or *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// simulation is a town, a cloud and the loop, under a clock that synctest turns.
// It watches the promises at each change.
type simulation struct {
	t       tester
	set     setting
	town    *town
	cloud   *fake.Cloud
	id      cloudprovider.PoolID
	loop    *Loop
	past    []*town // what lagging caches show
	flaky   int     // calls of the cloud that may fail
	last    string  // the plan that was made last
	pods    int     // made so far
	ticks   int
	down    map[string]bool // machines that are restarting
	boots   int
	duds    int // machines yet to come that never become nodes
	dud     map[cloudprovider.InstanceID]bool
	unseen  int             // nodes yet to register that the doctor never passes
	never   map[string]bool // those
	overdue int             // looks in a row at which drains were late
	resized bool            // somebody has changed the pool's size
	skips   map[string]int  // how often a node's drain has run out of time
	alone   map[string]time.Time
	kept    map[string]int // how often each promise was put to the test
}

func newSimulation(t tester, set setting) *simulation {
	s := &simulation{t: t, set: set, down: map[string]bool{}, dud: map[cloudprovider.InstanceID]bool{}, never: map[string]bool{}, skips: map[string]int{}, alone: map[string]time.Time{}, kept: map[string]int{}}
	s.town = &town{lost: map[cloudprovider.InstanceID]bool{}, nodes: map[string]*corev1.Node{}, pods: map[string]*corev1.Pod{}, minAvailable: set.minAvailable}
	s.town.watch = s.watchNode
	s.town.evicted = func(allowed bool) { s.promise(invPDB, allowed, "a pod left against its budget") }
	s.cloud = fake.New(fake.Options{
		Latency:  fake.Latency{Launch: 20 * time.Second, Boot: 30 * time.Second, Delete: 40 * time.Second},
		Releases: []cloudprovider.Release{newRelease, oldRelease, tooNew, tooOld},
		Basic:    set.basic,
	})
	var zones []cloudprovider.Zone
	for i := range set.zones {
		zones = append(zones, cloudprovider.Zone(fmt.Sprintf("ZONE-%d", i+1)))
	}
	s.id = s.cloud.AddPool(fake.Pool{Name: "workers", Size: set.size, Release: oldRelease, Zones: zones})
	s.town.pool = &v1alpha1.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: "workers", UID: "pool", Annotations: map[string]string{}},
		Spec: v1alpha1.PoolSpec{NodePoolID: string(s.id), Cycle: &v1alpha1.CycleSpec{
			Mode: v1alpha1.CycleOnDemand, MaxSurge: &set.surge, MaxUnavailable: &set.unavailable}},
	}
	if set.spec != nil {
		set.spec(s.town.pool.Spec.Cycle)
	}
	s.town.stamp(s.town.pool)
	s.start()
	for range 12 { // the old nodes come up and are loaded
		s.settle()
		time.Sleep(10 * time.Second)
	}
	s.settle()
	return s
}

// start makes a new process: nothing of an older one is left but the world.
func (s *simulation) start() {
	s.town.dead = false
	fleet := cloudprovider.NewFleet(killableCloud{Cloud: s.cloud, w: s.town, delete: s.watchDelete, shrink: s.watchShrink, resize: s.watchResize, release: s.watchRelease, flaky: &s.flaky}, cloudprovider.FleetOptions{})
	s.loop = &Loop{
		Client: s.town, Live: s.town, Clientset: townsfolk{w: s.town}, Fleet: fleet,
		Observer: &world.Observer{Reader: reader{s}, Fleet: fleet, ControlPlane: func() string { return "v1.34.1" }},
	}
}

// reader is the cache: the town as it was some looks ago.
type reader struct{ s *simulation }

func (r reader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	return r.s.town.Get(ctx, key, o, opts...)
}

func (r reader) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	if r.s.town.dead {
		return errKilled
	}
	if lag := r.s.set.lag; lag > 0 && len(r.s.past) > lag {
		return r.s.past[len(r.s.past)-1-lag].List(ctx, l, opts...)
	}
	return r.s.town.List(ctx, l, opts...)
}

// until turns the world until done, and says after how long.
func (s *simulation) until(done func() bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	for !done() {
		if time.Since(began) > s.patience() {
			s.t.Fatalf("%s: not done after %s; the last plan was\n%s", invDeadline, s.patience(), s.last)
		}
		s.tick()
	}
	return time.Since(began)
}

// tick is one look of the loop and 10 seconds of everybody else's work.
func (s *simulation) tick() {
	s.settle()
	s.past = append(s.past, s.town.copy())
	if n := len(s.past); n > 4 {
		s.past = s.past[n-4:]
	}
	plan, _ := s.loop.Once(context.Background())
	s.last = words(plan)
	s.watchCounts()
	s.watchDrains()
	s.watchStatus()
	s.ticks++
	if s.set.edit != nil {
		s.set.edit(s, s.ticks)
	}
	if s.town.dead {
		s.start()
	}
	time.Sleep(10 * time.Second)
}

// settle does what the kubelet, the node controllers, the doctor, the workload
// controllers and the scheduler would.
func (s *simulation) settle() {
	instances, err := s.cloud.Instances(context.Background(), s.id)
	if err != nil {
		s.t.Fatalf("list instances: %v", err)
	}
	there := map[string]bool{}
	for _, in := range instances {
		there[string(in.ID)] = true
		if in.State == cloudprovider.Running && !s.town.lost[in.ID] && !s.dud[in.ID] && s.town.nodes[string(in.ID)] == nil {
			if s.duds > 0 {
				s.duds--
				s.dud[in.ID] = true
				continue
			}
			s.register(in)
		}
		s.boot(in)
	}
	for name, n := range s.town.nodes {
		if !there[name] {
			s.bury(name)
			continue
		}
		s.examine(n)
	}
	for key, p := range s.town.pods {
		if p.DeletionTimestamp != nil && !time.Now().Before(p.DeletionTimestamp.Time) {
			delete(s.town.pods, key)
		}
	}
	s.schedule()
}

func (s *simulation) register(in cloudprovider.Instance) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(in.ID), UID: types.UID("uid-" + in.ID), CreationTimestamp: metav1.Now(),
		Labels: map[string]string{corev1.LabelTopologyZone: string(in.Zone)}, Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: string(s.id)}}}
	n.Spec.ProviderID = string(in.ID)
	n.Status.NodeInfo.KubeletVersion = in.Release.Kubernetes
	n.Status.NodeInfo.BootID = "first"
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if s.set.prepare != nil {
		s.set.prepare(n)
	}
	if s.unseen > 0 {
		s.unseen--
		s.never[n.Name] = true
	}
	s.town.stamp(n)
	s.town.nodes[n.Name] = n
}

// boot is the kubelet of a machine that is restarted: away, and back with another
// boot ID and whatever release the machine has now. OKE takes a cordon back then,
// whoever's it was.
func (s *simulation) boot(in cloudprovider.Instance) {
	n := s.town.nodes[string(in.ID)]
	if n == nil || in.State == cloudprovider.Stopped == s.down[n.Name] {
		return
	}
	s.down[n.Name] = !s.down[n.Name]
	next := n.DeepCopy()
	next.Status.Conditions[0].Status = corev1.ConditionFalse
	if !s.down[n.Name] {
		s.boots++
		next.Status.Conditions[0].Status = corev1.ConditionTrue
		next.Status.NodeInfo.BootID, next.Status.NodeInfo.KubeletVersion = fmt.Sprintf("boot-%d", s.boots), in.Release.Kubernetes
		next.Spec.Unschedulable = false
	}
	s.town.stamp(next)
	s.town.nodes[n.Name] = next
}

// bury removes the Node of a machine that is gone. A pod on it was lost
// without having been asked.
func (s *simulation) bury(name string) {
	for key, p := range s.town.pods {
		if p.Spec.NodeName == name {
			s.t.Errorf("node %s took pod %s with it", name, key)
			delete(s.town.pods, key)
		}
	}
	delete(s.town.nodes, name)
}

// examine is the doctor: a node passes ten seconds after it registered.
func (s *simulation) examine(n *corev1.Node) {
	if s.never[n.Name] || len(n.Status.Conditions) > 1 || time.Since(n.CreationTimestamp.Time) < 10*time.Second {
		return
	}
	next := n.DeepCopy()
	next.Status.Conditions = append(next.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.NodeConditionProblem, Status: corev1.ConditionFalse})
	s.town.stamp(next)
	s.town.nodes[n.Name] = next
}

// schedule keeps the replicas up and binds them, to untainted nodes if it can.
func (s *simulation) schedule() {
	stand := 0
	for _, p := range s.town.pods {
		if firm(p) {
			stand++
		}
	}
	for len(s.town.pods) < s.set.pods+s.set.firm {
		s.pods++
		yes := true
		name := fmt.Sprintf("web-%d", s.pods)
		s.town.pods[name] = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name),
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", Controller: &yes}}}}
		if stand < s.set.firm {
			stand++
			s.town.pods[name].Labels = map[string]string{firmLabel: "yes"}
		}
	}
	load := map[string]int{}
	for _, p := range s.town.pods {
		load[p.Spec.NodeName]++
	}
	for _, pod := range s.town.podList("spec.nodeName=") {
		best, cost := "", 1<<30
		for name, n := range s.town.nodes {
			c := load[name]*10 + len(n.Spec.Taints)*1000
			if !n.Spec.Unschedulable && !s.down[name] && (c < cost || c == cost && name < best) {
				best, cost = name, c
			}
		}
		if best == "" {
			return
		}
		bound := pod.DeepCopy()
		bound.Spec.NodeName, bound.Status.Phase = best, corev1.PodRunning
		s.town.pods[pod.Name] = bound
		load[best]++
	}
}

// clean says what of tidemill's is left on nodes.
func (s *simulation) clean() string {
	var left []string
	for name, n := range s.town.nodes {
		for key := range n.Annotations {
			if key == v1alpha1.AnnotationRenewed {
				continue // it is no mark: what runs there is as old as that
			}
			if strings.HasPrefix(key, "tidemill.dev/") || key == v1alpha1.AnnotationScaleDownDisabled && s.set.prepare == nil {
				left = append(left, name+" has "+key)
			}
		}
		if n.Spec.Unschedulable || len(n.Spec.Taints) > 0 {
			left = append(left, name+" is cordoned or tainted")
		}
	}
	return strings.Join(left, ", ")
}

// ask annotates the pool.
func (s *simulation) ask(key, value string) {
	next := s.town.pool.DeepCopy()
	next.Annotations[key] = value
	if value == "" {
		delete(next.Annotations, key)
	}
	s.town.stamp(next)
	s.town.pool = next
}

// ended is whether a request was answered and its run is over.
func (s *simulation) ended(request string) bool {
	p := s.town.pool.Status
	return p.Cycle == nil && p.LastCycle != nil && p.LastCycle.Request == request
}
