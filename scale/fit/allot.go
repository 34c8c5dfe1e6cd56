package fit

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// devicePlugin is the scheduler's DynamicResources: it finds devices for the
// claims of a pod on a node, and says which.
type devicePlugin interface {
	volumePlugin
	Reserve(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node string) *fwk.Status
}

// searchSteps is how far one search for devices on one node may go, and searches
// how many may be given up in one Cluster before none is begun any more. The
// allocator tries all combinations: a claim that asks for enough of them could be
// at it for hours. Steps are counted and not seconds, which are those of the
// machine: the same snapshot has the same plan, also where others keep the
// processor busy.
const (
	searchSteps = 200_000
	searches    = 3
)

// deviceArgs leave out the plugin's own time-out: it would hide a search's steps
// from whoever counts them.
func deviceArgs() *config.DynamicResourcesArgs {
	return &config.DynamicResourcesArgs{
		FilterTimeout:  &metav1.Duration{},
		BindingTimeout: &metav1.Duration{Duration: 10 * time.Minute},
	}
}

// search is the context of one: the allocator asks it at each step whether to go
// on.
type search struct {
	context.Context
	steps int
}

// Err implements context.Context.
func (s *search) Err() error {
	if s.steps++; s.steps > searchSteps {
		return context.DeadlineExceeded
	}
	return nil
}

// Unsupported says why a pod cannot be judged here at all, "" when it can.
func (c *Cluster) Unsupported(pod *corev1.Pod) string {
	if away := c.devices.ledger.away; away != "" && len(pod.Spec.ResourceClaims) > 0 {
		return "the pod uses resource claims, and " + away
	}
	return ""
}

// devised is whether devices are looked for when the pod is placed.
func (c *Cluster) devised(pod *corev1.Pod, asks []need) bool {
	if len(pod.Spec.ResourceClaims) > 0 {
		return true
	}
	for i := range asks {
		if asks[i].backed {
			return true
		}
	}
	return false
}

// shared is whether other pods may use one of the pod's claims too.
func shared(pod *corev1.Pod) bool {
	for i := range pod.Spec.ResourceClaims {
		if pod.Spec.ResourceClaims[i].ResourceClaimName != nil {
			return true
		}
	}
	return false
}

// spellDevices spells what the pod wants of devices. Claims of a template are
// alike when they ask for the same, as long as they have been given nothing; the
// pods that are bound are told apart by name, for which nothing but the pod
// itself is looked at: a Memo keeps the spelling.
func (c *Cluster) spellDevices(t *text, pod *corev1.Pod, bound string) {
	v := c.devices
	if pod.Spec.NodeName == "" && v.ledger.special[pod.UID] != "" {
		t.str(pod.Name) // left over from an attempt to schedule this very pod
	}
	t.int(int64(len(pod.Spec.ResourceClaims)))
	if len(pod.Spec.ResourceClaims) == 0 {
		return
	}
	if pod.Spec.NodeName == "" && bound == "" {
		pod, _ = v.ledger.named(pod)
	}
	for i := range pod.Spec.ResourceClaims {
		ref := &pod.Spec.ResourceClaims[i]
		name, _ := nameOf(pod, ref)
		h := v.ledger.claims[pod.Namespace+"/"+name]
		t.str(ref.Name)
		if pod.Spec.NodeName == "" && ref.ResourceClaimTemplateName != nil && h != nil && h.claim.Status.Allocation == nil &&
			h.claim.DeletionTimestamp == nil && metav1.IsControlledBy(h.claim, pod) {
			t.flag(true)
			t.message(&h.claim.Spec)
			continue
		}
		t.flag(false)
		t.str(name)
		t.str(pod.Name)
	}
}

// desk is what the plugin says of a pod before it is asked about nodes.
type desk struct {
	pod      *corev1.Pod // with its claims named
	rejected *Reason
	skip     bool
}

func (c *Cluster) desk(pod *corev1.Pod) *desk {
	named, _ := c.devices.ledger.named(pod)
	d := &desk{pod: named}
	c.devices.shown = nil
	status := c.preFilter(framework.NewCycleState(), named)
	switch {
	case status.IsSkip():
		d.skip = true
	case !status.IsSuccess():
		d.rejected = &Reason{names.DynamicResources, status.Message()}
	}
	return d
}

func (c *Cluster) preFilter(state fwk.CycleState, pod *corev1.Pod) *fwk.Status {
	return guarded(func() *fwk.Status {
		_, status := c.asked.devices.PreFilter(context.Background(), state, pod, nil)
		return status
	})
}

// guarded is the plugin's answer. The allocator relies on what the API server
// checks, and panics at a claim for less than nothing; a look may be of a file
// that no API server has seen.
func guarded(ask func() *fwk.Status) (status *fwk.Status) {
	defer func() {
		if r := recover(); r != nil {
			status = fwk.NewStatus(fwk.UnschedulableAndUnresolvable, fmt.Sprintf("the claims are nonsense: %v", r))
		}
	}()
	return ask()
}

// fits asks the plugin about a node. The state that it leaves is what Reserve
// goes by.
func (d *desk) fits(c *Cluster, n *node) (fwk.CycleState, Reason, bool) {
	if d.skip {
		return nil, Reason{}, true
	}
	if c.searched >= searches {
		return nil, Reason{names.DynamicResources, "not asked: other pods' claims have too many combinations of devices to try them all"}, false
	}
	c.devices.shown = c.slicesOf(n)
	state := framework.NewCycleState()
	if status := c.preFilter(state, d.pod); !status.IsSuccess() && !status.IsSkip() {
		return nil, Reason{names.DynamicResources, status.Message()}, false
	}
	within := &search{Context: context.Background()}
	status := guarded(func() *fwk.Status { return c.asked.devices.Filter(within, state, d.pod, n.asInfo()) })
	if within.steps > searchSteps {
		c.searched++
	}
	if !status.IsSuccess() {
		return nil, Reason{names.DynamicResources, status.Message()}, false
	}
	return state, Reason{}, true
}

// slicesOf are the slices of that node alone.
func (c *Cluster) slicesOf(n *node) []*resourcev1.ResourceSlice {
	if n.slices == nil && n.like != nil && len(n.like.slices) > 0 {
		n.slices = instance(n.like.slices, n.name)
	}
	return n.slices
}

// allot gives a pod that has been put on a node its devices, if the node has
// them. A pod that is there already holds those that it has.
func (c *Cluster) allot(n *node, pod *corev1.Pod) {
	_, keys := c.devices.ledger.named(pod)
	if c.devices.ledger.holds(pod, keys) {
		return
	}
	d := c.desk(pod)
	if d.skip || d.rejected != nil {
		return
	}
	c.devices.signed = nil
	if state, _, ok := d.fits(c, n); ok {
		c.asked.devices.Reserve(context.Background(), state, d.pod, n.name)
	}
	given := map[string]*resourcev1.ResourceClaim{}
	for _, claim := range c.devices.signed {
		if claim.Annotations[resourcev1.ExtendedResourceClaimAnnotation] == "true" {
			claim.Name = strings.TrimPrefix(specialKey(pod), pod.Namespace+"/")
			c.devices.ledger.hold(specialKey(pod), pod, claim)
			continue
		}
		given[claim.Namespace+"/"+claim.Name] = claim
	}
	for _, key := range keys {
		c.devices.ledger.hold(key, pod, given[key])
	}
}

// Equip gives a node the devices of a template that it has yet to publish: those
// of drivers of which it shows none. It is for nodes that are joining, and not
// undone.
func (c *Cluster) Equip(name string, template []*resourcev1.ResourceSlice) {
	n := c.nodes[name]
	if n == nil || len(template) == 0 {
		return
	}
	have := map[string]bool{}
	for _, x := range c.slicesOf(n) {
		have[x.Spec.Driver] = true
	}
	for _, x := range instance(template, name) {
		if !have[x.Spec.Driver] {
			n.slices = append(n.slices[:len(n.slices):len(n.slices)], x)
		}
	}
}

// Slices are those of the node alone.
func (c *Cluster) Slices(name string) []*resourcev1.ResourceSlice {
	if n := c.nodes[name]; n != nil {
		return c.slicesOf(n)
	}
	return nil
}
