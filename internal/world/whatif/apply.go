package whatif

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/record"
)

// Apply adds the change to the record. An error says what does not go together;
// the record is then half changed and not to be used.
func (c Change) Apply(r *record.Record) error {
	for i := range c.Pools {
		if err := c.addPool(r, c.Pools[i]); err != nil {
			return err
		}
	}
	for _, n := range c.Templates {
		if name := n.Annotations[AnnotationTemplateOf]; !c.names(name) {
			return fmt.Errorf("node %s is a template of Pool %q, which is not in the file", n.Name, name)
		}
	}
	for _, d := range c.DaemonSets {
		d.Namespace, d.UID = or(d.Namespace, metav1.NamespaceDefault), types.UID("what-if/daemonset/"+d.Namespace+"/"+d.Name)
		d.Spec.Template.Spec = admitted(d.Spec.Template.Spec)
		r.Objects.DaemonSets = append(r.Objects.DaemonSets, d)
	}
	for _, b := range c.PDBs {
		b.Namespace = or(b.Namespace, metav1.NamespaceDefault)
		r.Objects.PDBs = append(r.Objects.PDBs, b)
	}
	c.addDevices(r)
	for _, w := range c.Workloads {
		r.Objects.Pods = append(r.Objects.Pods, w.pods(r)...)
	}
	return nil
}

func (c Change) names(pool string) bool {
	for i := range c.Pools {
		if c.Pools[i].Name == pool {
			return true
		}
	}
	return false
}

// addPool puts the Pool into the place of the one that stands for its node pool,
// or beside the others with a node pool of its own.
func (c Change) addPool(r *record.Record, p v1alpha1.Pool) error {
	at := -1
	for i := range r.Cloud.Pools {
		if cp := &r.Cloud.Pools[i]; string(cp.ID) == p.Spec.NodePoolID || cp.Name == p.Spec.NodePoolID {
			at = i
		}
	}
	p.UID = types.UID("what-if/pool/" + p.Name)
	if at < 0 {
		cp, err := c.newNodePool(r, &p)
		if err != nil {
			return err
		}
		r.Cloud.Pools = append(r.Cloud.Pools, record.Pool{NodePool: cp})
		r.Objects.Pools = append(r.Objects.Pools, p)
		return nil
	}
	cp := &r.Cloud.Pools[at]
	kept := r.Objects.Pools[:0]
	for _, old := range r.Objects.Pools {
		if old.Spec.NodePoolID == string(cp.ID) || old.Spec.NodePoolID == cp.Name || old.Name == p.Name {
			p.Status, p.Annotations = old.Status, merged(old.Annotations, p.Annotations)
			continue
		}
		kept = append(kept, old)
	}
	r.Objects.Pools = append(kept, p)
	return nil
}

// newNodePool is a node pool without nodes, as the templates describe it.
func (c Change) newNodePool(r *record.Record, p *v1alpha1.Pool) (cloudprovider.NodePool, error) {
	cp := cloudprovider.NodePool{ID: cloudprovider.PoolID("what-if/" + p.Name), Name: p.Name, Health: cloudprovider.Health{Observed: r.Cloud.Observed}}
	for i := range c.Templates {
		n := &c.Templates[i]
		if n.Annotations[AnnotationTemplateOf] != p.Name {
			continue
		}
		pl, err := placement(n, string(cp.ID))
		if err != nil {
			return cp, err
		}
		cp.Placements = append(cp.Placements, pl)
		cp.Release.Kubernetes = or(cp.Release.Kubernetes, n.Status.NodeInfo.KubeletVersion)
	}
	if len(cp.Placements) == 0 {
		return cp, fmt.Errorf("pool %s names the node pool %q, which the cloud does not have: add a Node with the annotation %s: %s that says what its nodes look like", p.Name, p.Spec.NodePoolID, AnnotationTemplateOf, p.Name)
	}
	p.Spec.NodePoolID = string(cp.ID)
	return cp, nil
}

// placement makes a Node of a file a template.
func placement(n *corev1.Node, pool string) (cloudprovider.Placement, error) {
	t := *n.DeepCopy()
	pl := cloudprovider.Placement{Zone: cloudprovider.Zone(t.Labels[corev1.LabelTopologyZone])}
	if text, ok := t.Annotations[AnnotationPrice]; ok {
		price, err := strconv.ParseFloat(text, 64)
		if err != nil || !(price >= 0 && price < 1e6) {
			return pl, fmt.Errorf("node %s: the price %q is no amount of US dollars an hour", n.Name, text)
		}
		pl.Price = price
	}
	have := t.Status.Allocatable
	if len(have) == 0 {
		have = t.Status.Capacity.DeepCopy()
	}
	if have.Cpu().Sign() <= 0 || have.Memory().Sign() <= 0 {
		return pl, fmt.Errorf("node %s: status.allocatable must say how much cpu and memory it has", n.Name)
	}
	if _, ok := have[corev1.ResourcePods]; !ok {
		have[corev1.ResourcePods] = resource.MustParse("110")
	}
	t.Status.Allocatable = have
	if len(t.Status.Capacity) == 0 {
		t.Status.Capacity = have.DeepCopy()
	}
	t.Labels = merged(map[string]string{corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}, t.Labels)
	t.ObjectMeta = metav1.ObjectMeta{Labels: t.Labels, Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: pool}}
	pl.Template = t
	return pl, nil
}

// pods are those that the workload's controller would make.
func (w Workload) pods(r *record.Record) []corev1.Pod {
	namespace := or(w.Meta.Namespace, metav1.NamespaceDefault)
	owner := w.owner(namespace)
	out := make([]corev1.Pod, 0, w.Count)
	spec := admitted(w.Pod.Spec)
	for i := range w.Count {
		p := corev1.Pod{Spec: spec}
		p.Namespace, p.Name, p.Labels, p.Annotations = namespace, w.Meta.Name, w.Pod.Labels, w.Pod.Annotations
		if owner != nil {
			p.Name = fmt.Sprintf("%s-%05d", owner.Name, i)
			p.OwnerReferences = []metav1.OwnerReference{*owner}
		}
		if w.Kind == "Deployment" {
			p.Labels = merged(w.Pod.Labels, map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: hash})
		}
		p.UID = types.UID("what-if/" + w.Kind + "/" + namespace + "/" + p.Name)
		p.CreationTimestamp = metav1.NewTime(r.Now)
		p.Status.Phase = corev1.PodPending
		out = append(out, p)
	}
	return out
}

// hash stands for that of a Deployment's pods.
const hash = "what-if"

// owner is the pods' controller; nil for a Pod that is none's.
func (w Workload) owner(namespace string) *metav1.OwnerReference {
	yes := true
	o := &metav1.OwnerReference{APIVersion: "apps/v1", Kind: w.Kind, Name: w.Meta.Name, Controller: &yes}
	switch w.Kind {
	case "Pod":
		return nil
	case "Deployment":
		o.Kind, o.Name = "ReplicaSet", w.Meta.Name+"-"+hash
	case "Job", "CronJob":
		o.APIVersion, o.Kind = "batch/v1", "Job"
	}
	o.UID = types.UID("what-if/" + w.Kind + "/" + namespace + "/" + w.Meta.Name)
	return o
}

// admitted is the spec as the API server would store it, as far as decisions
// look at it.
func admitted(s corev1.PodSpec) corev1.PodSpec {
	s = *s.DeepCopy()
	s.SchedulerName, s.NodeName = or(s.SchedulerName, corev1.DefaultSchedulerName), ""
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			res := &list[i].Resources
			for name, q := range res.Limits {
				if _, ok := res.Requests[name]; !ok {
					if res.Requests == nil {
						res.Requests = corev1.ResourceList{}
					}
					res.Requests[name] = q
				}
			}
			for j := range list[i].Ports {
				p := &list[i].Ports[j]
				p.Protocol = or(p.Protocol, corev1.ProtocolTCP)
				if s.HostNetwork && p.HostPort == 0 {
					p.HostPort = p.ContainerPort
				}
			}
		}
	}
	for i := range s.TopologySpreadConstraints {
		t := &s.TopologySpreadConstraints[i]
		t.MaxSkew = max(t.MaxSkew, 1)
		t.WhenUnsatisfiable = or(t.WhenUnsatisfiable, corev1.DoNotSchedule)
	}
	return s
}

func merged(a, b map[string]string) map[string]string {
	out := make(map[string]string, len(a)+len(b))
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
