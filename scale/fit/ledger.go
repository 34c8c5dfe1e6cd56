package fit

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/tidemill/tidemill/internal/world"
)

// ledger is who holds which devices in the simulation. It begins with what the
// API shows; from then on a pod that is placed is given devices by the plugin's
// own allocator, and the last pod that leaves a claim gives them back.
//
//	claim ─► held: the claim as it would be, and the pods that keep it so
//
// What is written is never changed but replaced, and the trail knows what stood
// there before: that is how a fork is undone.
type ledger struct {
	away      string // why nothing is known, see world.Devices
	claims    map[string]*held
	special   map[types.UID]string           // claims that the scheduler made for extended resources, by pod
	byPool    map[devicePool]map[string]bool // allocated claims, by where a device of theirs is
	templates map[string]*resourcev1.ResourceClaimTemplate

	trail   []entry
	minding bool // whether anybody may go back
}

// held is a claim and the pods that hold it. It is never changed.
type held struct {
	claim *resourcev1.ResourceClaim
	by    []types.UID
}

// entry is what stood in the ledger before a change; was is nil for nothing.
type entry struct {
	key string
	was *held
}

// devicePool tells pools of devices apart.
type devicePool struct{ driver, name string }

func newLedger(s *world.Snapshot) *ledger {
	l := &ledger{
		away: s.Devices.Away, claims: map[string]*held{}, special: map[types.UID]string{}, byPool: map[devicePool]map[string]bool{},
		templates: map[string]*resourcev1.ResourceClaimTemplate{},
	}
	for _, t := range s.Devices.Templates {
		l.templates[t.Namespace+"/"+t.Name] = t
	}
	waiting := sets.New[types.UID]()
	if len(s.Devices.Claims) > 0 {
		for _, pod := range s.Pending {
			waiting.Insert(pod.UID)
		}
	}
	for _, claim := range s.Devices.Claims {
		l.begin(claim, waiting)
	}
	return l
}

// begin writes a claim down as the API has it. An allocation that only waiting
// pods hold, or nobody, binds nobody: the scheduler drops it as soon as it is in
// the way.
func (l *ledger) begin(claim *resourcev1.ResourceClaim, waiting sets.Set[types.UID]) {
	h := &held{claim: claim}
	for _, r := range claim.Status.ReservedFor {
		if !waiting.Has(r.UID) {
			h.by = append(h.by, r.UID)
		}
	}
	if claim.Status.Allocation != nil && len(h.by) == 0 {
		h.claim = without(claim)
	}
	key := claim.Namespace + "/" + claim.Name
	if claim.Annotations[resourcev1.ExtendedResourceClaimAnnotation] == "true" {
		if owner := metav1.GetControllerOfNoCopy(claim); owner != nil && !slices.ContainsFunc(claim.OwnerReferences, halfAnOwner) {
			l.special[owner.UID] = key
		}
	}
	l.write(key, h)
}

// halfAnOwner is an owner that the plugin cannot read.
func halfAnOwner(o metav1.OwnerReference) bool { return o.Controller == nil }

// without is the claim as it is when nobody uses it.
func without(claim *resourcev1.ResourceClaim) *resourcev1.ResourceClaim {
	out := *claim
	out.Status = resourcev1.ResourceClaimStatus{}
	return &out
}

// write replaces what is known of a claim; nil forgets it.
func (l *ledger) write(key string, h *held) {
	if l.minding {
		l.trail = append(l.trail, entry{key, l.claims[key]})
	}
	l.set(key, h)
}

func (l *ledger) set(key string, h *held) {
	if was := l.claims[key]; was != nil {
		for _, at := range poolsOf(was.claim) {
			delete(l.byPool[at], key)
		}
	}
	if h == nil {
		delete(l.claims, key)
		return
	}
	l.claims[key] = h
	for _, at := range poolsOf(h.claim) {
		if l.byPool[at] == nil {
			l.byPool[at] = map[string]bool{}
		}
		l.byPool[at][key] = true
	}
}

// back undoes what was written after the mark.
func (l *ledger) back(mark int) {
	for i := len(l.trail) - 1; i >= mark; i-- {
		l.set(l.trail[i].key, l.trail[i].was)
	}
	clear(l.trail[mark:])
	l.trail = l.trail[:mark]
}

// poolsOf are the pools that the claim has devices of.
func poolsOf(claim *resourcev1.ResourceClaim) (out []devicePool) {
	if claim.Status.Allocation == nil {
		return nil
	}
	for _, r := range claim.Status.Allocation.Devices.Results {
		if at := (devicePool{r.Driver, r.Pool}); !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

// named is the pod with all its claims named, and their keys. A claim that its
// controller has yet to make of a template is made here.
func (l *ledger) named(pod *corev1.Pod) (*corev1.Pod, []string) {
	var keys []string
	copied := false
	for i := range pod.Spec.ResourceClaims {
		ref := &pod.Spec.ResourceClaims[i]
		name, known := nameOf(pod, ref)
		if !known && ref.ResourceClaimTemplateName != nil {
			if name = l.foresee(pod, ref); name != "" {
				if !copied {
					c := *pod
					c.Status.ResourceClaimStatuses = slices.Clone(c.Status.ResourceClaimStatuses)
					pod, copied = &c, true
				}
				pod.Status.ResourceClaimStatuses = append(pod.Status.ResourceClaimStatuses, corev1.PodResourceClaimStatus{Name: ref.Name, ResourceClaimName: &name})
			}
		}
		if name != "" {
			keys = append(keys, pod.Namespace+"/"+name)
		}
	}
	return pod, keys
}

// nameOf is the name of the claim that the API shows for the pod's reference, ""
// for none; known is false while its controller has yet to say.
func nameOf(pod *corev1.Pod, ref *corev1.PodResourceClaim) (name string, known bool) {
	if ref.ResourceClaimName != nil {
		return *ref.ResourceClaimName, true
	}
	for i := range pod.Status.ResourceClaimStatuses {
		if s := &pod.Status.ResourceClaimStatuses[i]; s.Name == ref.Name {
			if s.ResourceClaimName == nil {
				return "", true
			}
			return *s.ResourceClaimName, true
		}
	}
	return "", false
}

// foresee makes the claim that the template's controller will make for the pod,
// under a name that no other can have; "" where there is no such template.
func (l *ledger) foresee(pod *corev1.Pod, ref *corev1.PodResourceClaim) string {
	t := l.templates[pod.Namespace+"/"+*ref.ResourceClaimTemplateName]
	if t == nil {
		return ""
	}
	name := pod.Name + "/" + ref.Name
	key := pod.Namespace + "/" + name
	if h := l.claims[key]; h == nil || !metav1.IsControlledBy(h.claim, pod) {
		claim := &resourcev1.ResourceClaim{ObjectMeta: *t.Spec.ObjectMeta.DeepCopy(), Spec: *t.Spec.Spec.DeepCopy()}
		claim.Namespace, claim.Name, claim.UID = pod.Namespace, name, types.UID("claim:"+string(pod.UID)+"/"+ref.Name)
		claim.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod"))}
		l.write(key, &held{claim: claim})
	}
	return name
}

// hold writes down that the pod uses the claim, with the allocation that it was
// given, nil for the one that the claim has.
func (l *ledger) hold(key string, pod *corev1.Pod, claim *resourcev1.ResourceClaim) {
	h := l.claims[key]
	if h == nil {
		h = &held{claim: claim}
	}
	if claim == nil {
		claim = h.claim
	}
	if claim.Status.Allocation == nil || claim == h.claim && slices.Contains(h.by, pod.UID) {
		return
	}
	l.write(key, heldBy(claim, append(slices.Clone(h.by), pod.UID)))
}

// heldBy is the claim reserved for the pods; nobody's is given back.
func heldBy(claim *resourcev1.ResourceClaim, by []types.UID) *held {
	if len(by) == 0 {
		return &held{claim: without(claim)}
	}
	out := *claim
	out.Status.ReservedFor = make([]resourcev1.ResourceClaimConsumerReference, len(by))
	for i, uid := range by {
		out.Status.ReservedFor[i] = resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: string(uid), UID: uid}
	}
	return &held{&out, by}
}

// holds is whether the pod holds all of the claims.
func (l *ledger) holds(pod *corev1.Pod, keys []string) bool {
	for _, key := range keys {
		if h := l.claims[key]; h == nil || !slices.Contains(h.by, pod.UID) {
			return false
		}
	}
	return len(keys) > 0
}

// release lets go of what the pod holds.
func (l *ledger) release(pod *corev1.Pod) {
	_, keys := l.named(pod)
	for _, key := range keys {
		h := l.claims[key]
		if h == nil || !slices.Contains(h.by, pod.UID) {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(h.by), func(uid types.UID) bool { return uid == pod.UID })
		l.write(key, heldBy(h.claim, others))
	}
	// What the scheduler made for this pod alone goes with it.
	for _, key := range []string{l.special[pod.UID], specialKey(pod)} {
		if l.claims[key] != nil {
			l.write(key, nil)
		}
	}
}

// specialKey is the key of the claim for extended resources that the simulation
// makes for a pod.
func specialKey(pod *corev1.Pod) string { return pod.Namespace + "/<" + string(pod.UID) + ">" }
