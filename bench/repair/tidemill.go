package repair

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// policy decides once a minute, and acts by fleet.do.
type policy interface {
	name() string
	look(*fleet)
}

// tidemill is the daemon's doctor with all defaults, and an executor that does
// what is asked for.
type tidemill struct {
	history *doctor.History
	runner  *doctor.Runner
	objects map[string]*corev1.Node
	pools   map[string]*v1alpha1.Pool
}

func newTidemill() *tidemill {
	return &tidemill{history: doctor.NewHistory(), objects: map[string]*corev1.Node{}, pools: map[string]*v1alpha1.Pool{},
		runner: &doctor.Runner{Checks: doctor.Checks(), Timeout: time.Minute}}
}

func (t *tidemill) name() string { return "tidemill" }

func (t *tidemill) look(f *fleet) {
	if f.apiDown {
		t.history.Blind(f.now) // the loop cannot look, and decides nothing
		return
	}
	s, leases := t.snapshot(f)
	look := doctor.NewLook(s, leases, nil, t.history)
	cases := doctor.Judge(context.Background(), look, t.runner, doctor.Policy{})
	plan := doctor.Decide(s, cases, t.history.Confirm(cases), doctor.Policy{})
	for _, p := range plan.Publish {
		p.Condition.LastHeartbeatTime = metav1.NewTime(f.now)
		setCondition(t.objects[p.Node.Name()], p.Condition, f.now)
	}
	for _, r := range plan.Records {
		t.pools[r.Brake.Pool.Name].Status.Repair = r.Repair.DeepCopy()
	}
	for _, r := range plan.Repairs {
		r.Change(t.objects[r.Node.Name()])
	}
	t.execute(f)
}

// execute is the cycle's part: it takes requests up, and answers those that are
// done.
func (t *tidemill) execute(f *fleet) {
	actions := map[kube.RepairAction]action{kube.RepairReboot: reboot, kube.RepairReplaceBootVolume: volume, kube.RepairReplace: replace}
	for _, n := range f.nodes {
		o := t.objects[n.name]
		if o == nil {
			continue
		}
		r, asked, err := kube.ParseRepairRequest(o.Annotations[v1alpha1.AnnotationCycle])
		mark, _ := kube.MarkOf(o)
		switch {
		case mark == nil && asked && err == nil:
			kube.SetMark(o, kube.Mark{Cause: kube.CauseRepair, Since: f.now, Action: r.Action})
			f.do(n, actions[r.Action])
			n.patience = comesBack(f.poolOf(n.pool), actions[r.Action])
		case mark != nil && n.doing == none:
			kube.AnswerRepair(o, "Ended")
			kube.Unmark(o)
			delete(o.Annotations, v1alpha1.AnnotationCycle)
		case mark != nil && n.doing != none && !f.now.Before(n.drain) && mark.Drained == nil:
			at := f.now
			mark.Drained = &at
			kube.SetMark(o, *mark)
		}
	}
}

// comesBack is how much longer than an action takes tidemill's executor waits for
// the machine: its defaults, as docs/repair.md has them.
func comesBack(p pool, a action) time.Duration {
	switch {
	case a == volume:
		return 20*time.Minute - volumeTime // spec.cycle.joinTimeout
	case p.gpu:
		return 20*time.Minute - rebootTime
	}
	return 8*time.Minute - rebootTime // spec.repair.restartTimeout
}

// snapshot is the fleet as the daemon observes it.
func (t *tidemill) snapshot(f *fleet) (*world.Snapshot, map[string]time.Time) {
	o := world.Objects{DaemonSets: []appsv1.DaemonSet{proxy}}
	cloud := cloudprovider.Cloud{Observed: f.now, Instances: map[cloudprovider.PoolID][]cloudprovider.Instance{}}
	for _, p := range f.pools {
		object, shape := t.pool(p)
		o.Pools = append(o.Pools, *object)
		cloud.Pools = append(cloud.Pools, cloudprovider.NodePool{ID: cloudprovider.PoolID(p.name), Name: p.name, Size: p.size, Shape: shape,
			Release: cloudprovider.Release{Kubernetes: "v1.36.3"}, Health: cloudprovider.Health{Observed: f.now}})
	}
	leases := map[string]time.Time{}
	here := map[string]*corev1.Node{}
	for _, n := range f.nodes {
		in := cloudprovider.Instance{ID: cloudprovider.InstanceID("ocid1." + n.name), Pool: cloudprovider.PoolID(n.pool),
			Zone: cloudprovider.Zone(n.zone), State: cloudprovider.Running, Created: n.born}
		if n.doing == replace && !f.now.Before(n.drain) {
			in.State = cloudprovider.Deleting
		}
		cloud.Instances[in.Pool] = append(cloud.Instances[in.Pool], in)
		object := t.node(f, n)
		if object == nil {
			continue
		}
		here[n.name] = object
		o.Nodes = append(o.Nodes, *object)
		o.Pods = append(o.Pods, proxyOn(n))
		leases[n.name] = f.now
		if n.ready == "Unknown" {
			leases[n.name] = n.readySince.Add(-40 * time.Second)
		}
	}
	t.objects = here
	s := world.Join(o, cloud, f.now)
	s.ControlPlane = "v1.36.3"
	return s, leases
}

func (t *tidemill) pool(p pool) (*v1alpha1.Pool, string) {
	if t.pools[p.name] == nil {
		t.pools[p.name] = &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: p.name, UID: types.UID("uid-" + p.name)},
			Spec: v1alpha1.PoolSpec{NodePoolID: p.name, Repair: &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}}}
	}
	if p.gpu {
		return t.pools[p.name], "VM.GPU.A10.1"
	}
	return t.pools[p.name], "VM.Standard.E5.Flex"
}

// node is the Node as the API server has it: the doctor's own marks are kept,
// everything else is what is seen. A machine that has not registered has none.
func (t *tidemill) node(f *fleet, n *node) *corev1.Node {
	o := t.objects[n.name]
	switch {
	case o == nil && n.ready == "":
		return nil
	case o == nil:
		o = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.name, UID: types.UID("uid-" + n.name), CreationTimestamp: metav1.NewTime(n.readySince),
			Annotations: map[string]string{}, Labels: map[string]string{corev1.LabelTopologyZone: n.zone, corev1.LabelOSStable: "linux"}}}
		o.Spec.ProviderID = "ocid1." + n.name
		o.Status.NodeInfo.KubeletVersion = "v1.36.3"
		o.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("110")}
		o.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0.7"}}
	}
	setCondition(o, corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionStatus(n.ready), Reason: "Simulated"}, n.readySince)
	second := corev1.ConditionFalse
	var findings []doctor.Finding
	if n.alarm == "True" {
		findings = []doctor.Finding{{Check: "root-read-only", State: doctor.Fail, Message: "/ is read-only", Since: n.alarmSince}}
		if n.fault != nil && n.fault.seconded {
			second = corev1.ConditionTrue
		}
	} else {
		findings = []doctor.Finding{{Check: "root-read-only", State: doctor.Pass}}
	}
	setCondition(o, corev1.NodeCondition{Type: "ReadonlyFilesystem", Status: second}, f.now)
	if n.ready != "Unknown" { // the agent's word travels the kubelet's way
		c := doctor.HostCondition(findings, nil, f.now)
		c.LastHeartbeatTime = metav1.NewTime(f.now)
		setCondition(o, c, f.now)
	}
	return o
}

// setCondition keeps the time of the last transition, as API clients do.
func setCondition(o *corev1.Node, c corev1.NodeCondition, at time.Time) {
	c.LastTransitionTime = metav1.NewTime(at)
	for i, old := range o.Status.Conditions {
		if old.Type == c.Type {
			if old.Status == c.Status {
				c.LastTransitionTime = old.LastTransitionTime
			}
			o.Status.Conditions[i] = c
			return
		}
	}
	o.Status.Conditions = append(o.Status.Conditions, c)
}

// proxy is the one system DaemonSet: a node without its pod is not trusted.
var proxy = appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kube-proxy", UID: "uid-kube-proxy"},
	Spec: appsv1.DaemonSetSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{PriorityClassName: "system-node-critical"}}}}

func proxyOn(n *node) corev1.Pod {
	yes := true
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "kube-proxy-" + n.name, CreationTimestamp: metav1.NewTime(n.joins),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "kube-proxy", UID: "uid-kube-proxy", Controller: &yes}}}}
	p.Spec.NodeName = n.name
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(n.joins)}}
	return p
}
