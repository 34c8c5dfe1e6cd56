package world_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func node(name, providerID string) corev1.Node {
	return corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: "uid-" + "1", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))},
		Spec:       corev1.NodeSpec{ProviderID: providerID},
	}
}

func pool(name, nodePoolID string, age time.Duration) v1alpha1.Pool {
	return v1alpha1.Pool{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-age))},
		Spec:       v1alpha1.PoolSpec{NodePoolID: nodePoolID},
	}
}

// scaling opts the pool in to a verb.
func scaling(p v1alpha1.Pool) v1alpha1.Pool {
	p.Spec.Scale = &v1alpha1.ScaleSpec{MaxSize: 1}
	return p
}

// holding is the pool as the mirror leaves the one whose claim stands, refused as
// it leaves the others.
func holding(p v1alpha1.Pool) v1alpha1.Pool {
	p.Status.NodePoolID = p.Spec.NodePoolID
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "NodePoolFound"}}
	return p
}

func refused(p v1alpha1.Pool) v1alpha1.Pool {
	p.Status.NodePoolID = p.Spec.NodePoolID
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: string(world.NodePoolClaimedTwice)}}
	return p
}

func cloud(pools ...cloudprovider.NodePool) cloudprovider.Cloud {
	return cloudprovider.Cloud{Pools: pools, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{}, Observed: now}
}

func addressed(list []cloudprovider.Instance, address string) []cloudprovider.Instance {
	for i := range list {
		list[i].Address = address
	}
	return list
}

func running(pool cloudprovider.PoolID, ids ...cloudprovider.InstanceID) []cloudprovider.Instance {
	var out []cloudprovider.Instance
	for _, id := range ids {
		out = append(out, cloudprovider.Instance{ID: id, Pool: pool, State: cloudprovider.Running, Name: "misleading-" + string(id)})
	}
	return out
}

// picture is a snapshot as text: pool, its Pool object, and its nodes as
// "instance=Node".
func picture(s *world.Snapshot) []string {
	var out []string
	for _, p := range s.Pools {
		line := p.Name
		if p.Object == nil {
			line += " (no object)"
		}
		for _, n := range p.Nodes {
			object := "-"
			if n.Object != nil {
				object = n.Object.Name
			}
			line += " " + string(n.ID()) + "=" + object
		}
		out = append(out, line)
	}
	for _, n := range s.Unmanaged {
		out = append(out, "unmanaged "+n.Name())
	}
	for _, o := range s.Orphans {
		line := "orphan " + o.Object.Name + " " + string(o.Reason)
		for _, n := range o.Nodes {
			line += " " + n.Name()
		}
		out = append(out, line)
	}
	return out
}

func TestJoin(t *testing.T) {
	a, b := cloudprovider.NodePool{ID: "pool-a", Name: "workers"}, cloudprovider.NodePool{ID: "pool-b", Name: "batch"}
	annotated := func(n corev1.Node, pool string) corev1.Node {
		n.Annotations = map[string]string{v1alpha1.AnnotationNodePoolID: pool}
		return n
	}
	bornAt := func(n corev1.Node, second int64) corev1.Node {
		n.CreationTimestamp = metav1.Unix(second, 0)
		return n
	}
	tests := []struct {
		name      string
		objects   world.Objects
		cloud     cloudprovider.Cloud
		instances []cloudprovider.Instance
		want      []string
	}{
		{
			name: "a node is its instance by provider ID, whatever it is called",
			objects: world.Objects{
				Pools: []v1alpha1.Pool{pool("workers", "pool-a", time.Hour)},
				Nodes: []corev1.Node{node("i2", "i1"), node("i1", "oci://i2")},
			},
			cloud: cloud(a), instances: running("pool-a", "i2", "i1"),
			want: []string{"workers i1=i2 i2=i1"},
		},
		{
			name:  "the cloud's display name is not a match",
			cloud: cloud(a), instances: running("pool-a", "i1"),
			objects: world.Objects{Nodes: []corev1.Node{node("misleading-i1", "")}},
			want:    []string{"pool-a (no object) i1=-", "unmanaged misleading-i1"},
		},
		{
			name:  "a second node with the same provider ID gets nothing",
			cloud: cloud(a), instances: running("pool-a", "i1"),
			objects: world.Objects{Nodes: []corev1.Node{annotated(node("zz-copy", "i1"), "pool-a"), node("first", "i1")}},
			want:    []string{"pool-a (no object) i1=first", "unmanaged zz-copy"},
		},
		{
			name:  "who takes another's provider ID gets nothing by an earlier name",
			cloud: cloud(a), instances: running("pool-a", "i1"),
			objects: world.Objects{Nodes: []corev1.Node{bornAt(node("0-impostor", "oci://i1"), 2), bornAt(annotated(node("n1", "i1"), "pool-a"), 1)}},
			want:    []string{"pool-a (no object) i1=n1", "unmanaged 0-impostor"},
		},
		{
			name:  "nor by a date that a clock tells which was put back: the machine's address is the name of one",
			cloud: cloud(a), instances: addressed(running("pool-a", "i1"), "10.0.0.7"),
			objects: world.Objects{Nodes: []corev1.Node{bornAt(node("0-impostor", "oci://i1"), 1), bornAt(annotated(node("10.0.0.7", "i1"), "pool-a"), 2), bornAt(node("9-impostor", "i1"), 1)}},
			want:    []string{"pool-a (no object) i1=10.0.0.7", "unmanaged 0-impostor", "unmanaged 9-impostor"},
		},
		{
			name:  "the machine's address makes nobody a node that has another provider ID",
			cloud: cloud(a), instances: addressed(running("pool-a", "i1"), "10.0.0.7"),
			objects: world.Objects{Nodes: []corev1.Node{bornAt(node("n1", "i1"), 2), bornAt(node("10.0.0.7", "i2"), 1)}},
			want:    []string{"pool-a (no object) i1=n1", "unmanaged 10.0.0.7"},
		},
		{
			name:    "a node whose machine is gone stays in its pool, to be seen as lost",
			cloud:   cloud(a),
			objects: world.Objects{Nodes: []corev1.Node{annotated(node("n1", "i1"), "pool-a"), annotated(node("n2", "i2"), "pool-x")}},
			want:    []string{"pool-a (no object) i1=n1", "unmanaged n2"},
		},
		{
			name:    "nor while the cloud names no machine: the older keeps its place in the pool",
			cloud:   cloud(a),
			objects: world.Objects{Nodes: []corev1.Node{bornAt(annotated(node("0-impostor", "oci://i1"), "pool-a"), 2), bornAt(annotated(node("n1", "i1"), "pool-a"), 1)}},
			want:    []string{"pool-a (no object) i1=n1", "unmanaged 0-impostor"},
		},
		{
			name:    "a node without a provider ID is nobody's, whatever its annotation says",
			cloud:   cloud(a),
			objects: world.Objects{Nodes: []corev1.Node{annotated(node("n1", ""), "pool-a")}},
			want:    []string{"pool-a (no object)", "unmanaged n1"},
		},
		{
			name:  "the oldest of two claims stands, by OCID or by name",
			cloud: cloud(a, b),
			objects: world.Objects{Pools: []v1alpha1.Pool{
				pool("a-late", "workers", time.Minute), pool("z-early", "pool-a", time.Hour), pool("batch", "batch", time.Minute),
			}},
			want: []string{"batch", "z-early", "orphan a-late NodePoolClaimedTwice"},
		},
		{
			name:  "who holds the node pool keeps it from a claim of the same second and an earlier name",
			cloud: cloud(a),
			objects: world.Objects{Pools: []v1alpha1.Pool{
				scaling(pool("a-usurper", "pool-a", time.Minute)), scaling(holding(pool("workers", "pool-a", time.Minute))),
			}},
			want: []string{"workers", "orphan a-usurper NodePoolClaimedTwice"},
		},
		{
			name:  "who holds the node pool keeps it from an older one that opts in later",
			cloud: cloud(a),
			objects: world.Objects{Pools: []v1alpha1.Pool{
				scaling(refused(pool("older", "pool-a", time.Hour))), scaling(holding(pool("workers", "pool-a", time.Minute))),
			}},
			want: []string{"workers", "orphan older NodePoolClaimedTwice"},
		},
		{
			name:  "what discovery made and nobody touched yields to the Pool that a user wrote",
			cloud: cloud(a),
			objects: world.Objects{Pools: []v1alpha1.Pool{
				holding(pool("discovered", "pool-a", time.Hour)), scaling(pool("mine", "pool-a", time.Minute)),
			}},
			want: []string{"mine", "orphan discovered NodePoolClaimedTwice"},
		},
		{
			name:    "an ambiguous name is not guessed",
			cloud:   cloud(a, cloudprovider.NodePool{ID: "pool-c", Name: "workers"}),
			objects: world.Objects{Pools: []v1alpha1.Pool{pool("workers", "workers", time.Hour), pool("c", "pool-c", time.Hour)}},
			want:    []string{"c", "pool-a (no object)", "orphan workers NodePoolNameAmbiguous"},
		},
		{
			name:    "a pool that is not there is said so",
			cloud:   cloud(a),
			objects: world.Objects{Pools: []v1alpha1.Pool{pool("gone", "pool-x", time.Hour)}},
			want:    []string{"pool-a (no object)", "orphan gone NodePoolNotFound"},
		},
		{
			name:    "a cloud that never answered has lost nothing",
			cloud:   cloudprovider.Cloud{Err: errors.New("no route")},
			objects: world.Objects{Pools: []v1alpha1.Pool{pool("workers", "pool-a", time.Hour)}},
			want:    []string{"orphan workers CloudUnavailable"},
		},
		{
			name: "to a process that has never heard of the cloud, Kubernetes tells whose a node is",
			objects: world.Objects{
				Pools: []v1alpha1.Pool{holding(pool("workers", "pool-a", time.Hour)), holding(pool("b-twice", "pool-a", time.Minute)), pool("new", "pool-b", time.Minute)},
				Nodes: []corev1.Node{
					bornAt(annotated(node("0-impostor", "oci://i1"), "pool-a"), 2), bornAt(annotated(node("n1", "i1"), "pool-a"), 1),
					annotated(node("n2", ""), "pool-a"), annotated(node("n3", "i3"), "pool-b"), node("n4", "i4"),
				},
			},
			cloud: cloudprovider.Cloud{Err: cloudprovider.ErrThrottled},
			want: []string{
				"unmanaged 0-impostor", "unmanaged n1", "unmanaged n2", "unmanaged n3", "unmanaged n4",
				"orphan b-twice CloudUnavailable", "orphan new CloudUnavailable", "orphan workers CloudUnavailable n1",
			},
		},
		{
			name:      "a cloud that stopped answering keeps the pools of the last look",
			cloud:     cloudprovider.Cloud{Err: errors.New("no route"), Pools: []cloudprovider.NodePool{a}, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{}},
			instances: running("pool-a", "i1"),
			objects:   world.Objects{Pools: []v1alpha1.Pool{pool("workers", "workers", time.Hour), pool("new", "new", time.Hour)}},
			want:      []string{"workers i1=-", "orphan new CloudUnavailable"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, in := range test.instances {
				test.cloud.Instances[in.Pool] = append(test.cloud.Instances[in.Pool], in)
			}
			s := world.Join(test.objects, test.cloud, now)
			if diff := cmp.Diff(test.want, picture(s)); diff != "" {
				t.Errorf("snapshot (-want +got):\n%s", diff)
			}
			if !errors.Is(s.CloudErr, test.cloud.Err) || !s.Now.Equal(now) {
				t.Errorf("CloudErr = %v, Now = %v", s.CloudErr, s.Now)
			}
		})
	}
}

// The same world in any order is the same snapshot: decisions may not depend on
// how a map was walked or a list was served.
func TestJoinKnowsNoOrder(t *testing.T) {
	build := func(shuffle func(n int, swap func(i, j int))) []string {
		objects := world.Objects{
			Nodes: []corev1.Node{node("n3", "i3"), node("n1", "i1"), node("n2", "i2"), node("byon", "x")},
			Pools: []v1alpha1.Pool{pool("b", "pool-b", time.Hour), pool("a", "pool-a", time.Hour), pool("twice", "pool-a", time.Hour)},
			Pods: []corev1.Pod{
				{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: "p1"}}, {ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p2"}},
				{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "p1"}},
				{ObjectMeta: metav1.ObjectMeta{Namespace: "z", Name: "q2"}, Spec: corev1.PodSpec{NodeName: "n1"}},
				{ObjectMeta: metav1.ObjectMeta{Namespace: "z", Name: "q1"}, Spec: corev1.PodSpec{NodeName: "n1"}},
			},
		}
		c := cloud(cloudprovider.NodePool{ID: "pool-a"}, cloudprovider.NodePool{ID: "pool-b"})
		c.Instances["pool-a"] = running("pool-a", "i1", "i2", "i3")
		shuffle(len(objects.Nodes), func(i, j int) { objects.Nodes[i], objects.Nodes[j] = objects.Nodes[j], objects.Nodes[i] })
		shuffle(len(objects.Pools), func(i, j int) { objects.Pools[i], objects.Pools[j] = objects.Pools[j], objects.Pools[i] })
		shuffle(len(objects.Pods), func(i, j int) { objects.Pods[i], objects.Pods[j] = objects.Pods[j], objects.Pods[i] })
		shuffle(3, func(i, j int) {
			l := c.Instances["pool-a"]
			l[i], l[j] = l[j], l[i]
		})
		s := world.Join(objects, c, now)
		out := picture(s)
		for _, p := range s.Pending {
			out = append(out, "pending "+p.Namespace+"/"+p.Name)
		}
		for _, p := range s.Pools[0].Nodes[0].Pods {
			out = append(out, "on n1 "+p.Namespace+"/"+p.Name)
		}
		return out
	}
	want := []string{
		"a i1=n1 i2=n2 i3=n3", "b", "unmanaged byon", "orphan twice NodePoolClaimedTwice",
		"pending a/p1", "pending a/p2", "pending b/p1", "on n1 z/q1", "on n1 z/q2",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		if diff := cmp.Diff(want, build(r.Shuffle)); diff != "" {
			t.Fatalf("snapshot (-want +got):\n%s", diff)
		}
	}
}

func TestPendingLeavesOutWhatNeedsNoNode(t *testing.T) {
	deleted := metav1.NewTime(now)
	pod := func(name string, edit func(*corev1.Pod)) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
		edit(&p)
		return p
	}
	s := world.Join(world.Objects{Pods: []corev1.Pod{
		pod("waits", func(*corev1.Pod) {}),
		pod("going", func(p *corev1.Pod) { p.DeletionTimestamp = &deleted }),
		pod("failed", func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		pod("done", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("bound", func(p *corev1.Pod) { p.Spec.NodeName = "n" }),
	}}, cloud(), now)
	if len(s.Pending) != 1 || s.Pending[0].Name != "waits" {
		t.Errorf("pending = %v, want waits alone", s.Pending)
	}
}
