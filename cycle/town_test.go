package cycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	policyv1client "k8s.io/client-go/kubernetes/typed/policy/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
)

// errKilled is what a process sees of the world after its death.
var errKilled = errors.New("killed")

// town is a cluster in memory: as much of the Kubernetes API as cycle uses,
// with resource versions, and a switch that kills the caller at its k-th change.
type town struct {
	client.Client // what is not implemented panics
	nodes         map[string]*corev1.Node
	pods          map[string]*corev1.Pod
	pool          *v1alpha1.Pool
	minAvailable  int // of the PodDisruptionBudget over all pods that are not firm
	version       int

	changes int  // by the process so far
	killAt  int  // the change at which it dies; 0 never
	after   bool // it dies after the change was made
	// survives is a process that loses the answer and lives.
	survives bool
	dead     bool

	// firm pods have a budget of their own that never allows anything, until somebody
	// has mended it; refused is how often it was asked before.
	mended  bool
	refused int

	refuse error                             // the cloud's answer to every restart; nil for none
	keeps  bool                              // a new boot volume has on it what the node had
	lost   map[cloudprovider.InstanceID]bool // machines that ended behind everybody's back

	tells   func(*cloudprovider.Instance)    // what the cloud says of a machine instead; nil for the truth
	watch   func(before, after *corev1.Node) // sees each change of a Node
	linger  func(*corev1.Pod) time.Duration  // how long an evicted pod needs to leave; nil for no time
	evicted func(allowed bool)               // sees each eviction that is granted
}

// change counts one change and does it, unless the process dies first.
func (w *town) change(do func() error) error {
	if w.dead {
		return errKilled
	}
	w.changes++
	if w.changes == w.killAt {
		w.dead = !w.survives
		if w.after {
			_ = do()
		}
		return errKilled
	}
	return do()
}

func (w *town) stamp(o metav1.Object) {
	w.version++
	o.SetResourceVersion(strconv.Itoa(w.version))
}

func conflict(name string) error {
	return apierrors.NewConflict(corev1.Resource("objects"), name, errors.New("the object has been modified"))
}

// Patch of a Node: the object sent has the version that was decided on.
func (w *town) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return w.change(func() error {
		next := o.(*corev1.Node).DeepCopy()
		have := w.nodes[next.Name]
		if have == nil {
			return apierrors.NewNotFound(corev1.Resource("nodes"), next.Name)
		}
		if have.ResourceVersion != next.ResourceVersion {
			return conflict(next.Name)
		}
		if w.watch != nil {
			w.watch(have, next)
		}
		w.stamp(next)
		w.nodes[next.Name] = next
		return nil
	})
}

func (w *town) Status() client.SubResourceWriter { return townStatus{w: w} }

type townStatus struct {
	client.SubResourceWriter
	w *town
}

// Apply of cycle's part of the Pool's status: what is left out is removed.
func (s townStatus) Apply(_ context.Context, ac runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
	return s.w.change(func() error {
		text, err := json.Marshal(ac)
		if err != nil {
			return err
		}
		var sent struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Status   kube.CyclePart    `json:"status"`
		}
		if err := json.Unmarshal(text, &sent); err != nil {
			return err
		}
		if sent.Metadata.ResourceVersion != s.w.pool.ResourceVersion {
			return conflict(sent.Metadata.Name)
		}
		next := s.w.pool.DeepCopy()
		next.Status.Cycle, next.Status.LastCycle = sent.Status.Cycle, sent.Status.LastCycle
		for _, c := range sent.Status.Conditions {
			meta.SetStatusCondition(&next.Status.Conditions, c)
		}
		s.w.stamp(next)
		s.w.pool = next
		return nil
	})
}

func (w *town) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	if w.dead {
		return errKilled
	}
	switch o := o.(type) {
	case *v1alpha1.Pool:
		w.pool.DeepCopyInto(o)
	case *corev1.Node:
		have := w.nodes[key.Name]
		if have == nil {
			return apierrors.NewNotFound(corev1.Resource("nodes"), key.Name)
		}
		have.DeepCopyInto(o)
	default:
		return fmt.Errorf("get %T", o)
	}
	return nil
}

func (w *town) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if w.dead {
		return errKilled
	}
	switch l := list.(type) {
	case *v1alpha1.PoolList:
		l.Items = []v1alpha1.Pool{*w.pool.DeepCopy()}
	case *corev1.NodeList:
		for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
			l.Items = append(l.Items, *w.nodes[name].DeepCopy())
		}
	case *corev1.PodList:
		l.Items = w.podList("")
	case *policyv1.PodDisruptionBudgetList:
		l.Items = []policyv1.PodDisruptionBudget{*w.budget()}
		if firm := w.firmBudget(); firm.Status.ExpectedPods > 0 {
			l.Items = append(l.Items, *firm)
		}
	case *metav1.PartialObjectMetadataList:
		for _, n := range w.nodes {
			l.Items = append(l.Items, metav1.PartialObjectMetadata{ObjectMeta: *n.ObjectMeta.DeepCopy()})
		}
	}
	return nil
}

func (w *town) podList(selector string) []corev1.Pod {
	var out []corev1.Pod
	for _, p := range w.pods {
		if selector == "" || selector == "spec.nodeName="+p.Spec.NodeName {
			out = append(out, *p.DeepCopy())
		}
	}
	slices.SortFunc(out, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// firmLabel is on the pods whose budget allows nothing.
const firmLabel = "firm"

func firm(p *corev1.Pod) bool { return p.Labels[firmLabel] != "" }

// budget is the PodDisruptionBudget of all other pods, as its controller keeps it.
func (w *town) budget() *policyv1.PodDisruptionBudget {
	return w.budgetOf("web", metav1.LabelSelectorOpDoesNotExist, false, w.minAvailable)
}

// firmBudget wants every firm pod to be there.
func (w *town) firmBudget() *policyv1.PodDisruptionBudget {
	all := len(w.pods)
	if w.mended {
		all = 0
	}
	return w.budgetOf("firm", metav1.LabelSelectorOpExists, true, all)
}

func (w *town) budgetOf(name string, has metav1.LabelSelectorOperator, of bool, atLeast int) *policyv1.PodDisruptionBudget {
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	b.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: firmLabel, Operator: has}}}
	for _, p := range w.pods {
		if firm(p) != of {
			continue
		}
		b.Status.ExpectedPods++
		if p.Spec.NodeName != "" {
			b.Status.CurrentHealthy++
		}
	}
	b.Status.DesiredHealthy = int32(atLeast)
	if of {
		b.Status.DesiredHealthy = min(b.Status.DesiredHealthy, b.Status.ExpectedPods)
	}
	b.Status.DisruptionsAllowed = max(b.Status.CurrentHealthy-b.Status.DesiredHealthy, 0)
	return b
}

// budgetFor is the one budget that selects the pod.
func (w *town) budgetFor(p *corev1.Pod) *policyv1.PodDisruptionBudget {
	if firm(p) {
		return w.firmBudget()
	}
	return w.budget()
}

// copy is the town as a cache that lags behind still shows it.
func (w *town) copy() *town {
	return &town{nodes: maps.Clone(w.nodes), pods: maps.Clone(w.pods), pool: w.pool, minAvailable: w.minAvailable, mended: w.mended}
}

// townsfolk is the clientset: pods are listed and evicted through it.
type townsfolk struct {
	kubernetes.Interface
	w *town
}

func (c townsfolk) CoreV1() corev1client.CoreV1Interface       { return folkCore{w: c.w} }
func (c townsfolk) PolicyV1() policyv1client.PolicyV1Interface { return folkPolicy{w: c.w} }

type folkCore struct {
	corev1client.CoreV1Interface
	w *town
}

func (c folkCore) Pods(string) corev1client.PodInterface { return folkPods{w: c.w} }

type folkPods struct {
	corev1client.PodInterface
	w *town
}

func (p folkPods) List(_ context.Context, o metav1.ListOptions) (*corev1.PodList, error) {
	if p.w.dead {
		return nil, errKilled
	}
	return &corev1.PodList{Items: p.w.podList(o.FieldSelector)}, nil
}

// Delete of a pod is what nobody may do here: no pool forces.
func (p folkPods) Delete(_ context.Context, name string, _ metav1.DeleteOptions) error {
	return p.w.change(func() error {
		if p.w.evicted != nil {
			p.w.evicted(false)
		}
		delete(p.w.pods, name)
		return nil
	})
}

type folkPolicy struct {
	policyv1client.PolicyV1Interface
	w *town
}

func (p folkPolicy) RESTClient() rest.Interface { return nil }
func (p folkPolicy) Evictions(string) policyv1client.EvictionInterface {
	return folkEvictions{w: p.w}
}

type folkEvictions struct {
	policyv1client.EvictionInterface
	w *town
}

func (e folkEvictions) Evict(_ context.Context, ev *policyv1.Eviction) error {
	return e.w.change(func() error {
		pod := e.w.pods[ev.Name]
		if pod == nil || pod.UID != *ev.DeleteOptions.Preconditions.UID {
			return apierrors.NewNotFound(corev1.Resource("pods"), ev.Name)
		}
		budget := e.w.budgetFor(pod)
		if budget.Status.DisruptionsAllowed == 0 {
			if firm(pod) {
				e.w.refused++
			}
			err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
			err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget " + budget.Name + " needs more"}}
			return err
		}
		if e.w.evicted != nil {
			e.w.evicted(budget.Status.DisruptionsAllowed > 0)
		}
		if e.w.linger != nil {
			leaving := pod.DeepCopy()
			leaving.DeletionTimestamp = &metav1.Time{Time: time.Now().Add(e.w.linger(pod))}
			e.w.pods[ev.Name] = leaving
			return nil
		}
		delete(e.w.pods, ev.Name)
		return nil
	})
}
