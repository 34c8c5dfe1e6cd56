package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/plain"
)

// PatchNode applies change to a copy of the node and sends the difference, with
// the resourceVersion of the node that was decided upon: a node that changed
// meanwhile answers a conflict, and so does a namesake, which never has it. It
// sends nothing when change did nothing. n itself is not touched.
func PatchNode(ctx context.Context, c client.Client, n *corev1.Node, change func(*corev1.Node)) error {
	next := n.DeepCopy()
	change(next)
	patch := client.MergeFromWithOptions(n, client.MergeFromWithOptimisticLock{})
	data, err := patch.Data(next)
	if err != nil {
		return fmt.Errorf("patch node %s: %w", n.Name, err)
	}
	if unchanged(data) {
		return nil
	}
	if err := c.Patch(ctx, next, client.RawPatch(patch.Type(), data)); err != nil {
		return fmt.Errorf("patch node %s: %w", n.Name, err)
	}
	return nil
}

// unchanged is a merge patch that carries the optimistic lock and nothing else.
func unchanged(patch []byte) bool {
	var p struct {
		Metadata map[string]any `json:"metadata"`
		Spec     map[string]any `json:"spec"`
		Status   map[string]any `json:"status"`
	}
	if json.Unmarshal(patch, &p) != nil {
		return false
	}
	delete(p.Metadata, "resourceVersion")
	return len(p.Metadata) == 0 && len(p.Spec) == 0 && len(p.Status) == 0
}

// ApplyPoolStatus writes owner's part of a Pool's status by server-side apply.
// status is a pointer to a value whose JSON is an object with fields of PoolStatus; what
// owner applied before and leaves out now is removed. With locked, the write is
// refused if the Pool changed since it was read.
func ApplyPoolStatus(ctx context.Context, c client.Client, p *v1alpha1.Pool, owner string, status any, locked bool) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status)
	if err != nil {
		return fmt.Errorf("apply status of pool %s: %w", p.Name, err)
	}
	u := unstructured.Unstructured{Object: map[string]any{"status": fields}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("Pool"))
	u.SetName(p.Name)
	if locked {
		u.SetResourceVersion(p.ResourceVersion)
	}
	err = c.Status().Apply(ctx, &said{u}, client.FieldOwner(owner), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply status of pool %s: %w", p.Name, err)
	}
	return nil
}

// said is what is applied where nobody reads the answer, which is the whole object: to
// make a tree of maps of a Pool with a thousand nodes costs more than to write it.
type said struct{ u unstructured.Unstructured }

// IsApplyConfiguration implements runtime.ApplyConfiguration.
func (*said) IsApplyConfiguration() {}

// MarshalJSON is what is said.
func (s *said) MarshalJSON() ([]byte, error) { return s.u.MarshalJSON() }

// UnmarshalJSON does not listen.
func (*said) UnmarshalJSON([]byte) error { return nil }

// GetName and its like are what the client makes the request's path of.
func (s *said) GetName() *string { return ptr.To(s.u.GetName()) }

// GetNamespace is the object's.
func (s *said) GetNamespace() *string { return ptr.To(s.u.GetNamespace()) }

// GetKind is the object's.
func (s *said) GetKind() *string { return ptr.To(s.u.GetKind()) }

// GetAPIVersion is the object's.
func (s *said) GetAPIVersion() *string { return ptr.To(s.u.GetAPIVersion()) }

// maxCondition bounds the message of a Pool's condition, in bytes: a pool has a
// handful, and each must be readable in kubectl describe.
const maxCondition = 1024

// Condition makes a Pool condition, keeping the transition time of the one that
// stands if the status is the same. The message is made plain and of at most
// maxCondition bytes: names and words of others are in it.
func Condition(p *v1alpha1.Pool, t string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	c := metav1.Condition{
		Type: t, Status: status, Reason: reason, Message: plain.Cut(message, maxCondition),
		LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second)), ObservedGeneration: p.Generation,
	}
	if old := meta.FindStatusCondition(p.Status.Conditions, t); old != nil && old.Status == status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	return c
}

// ApplyNodeCondition writes one condition of a Node by server-side apply, so
// that the kubelet's conditions in the same list are never touched. The
// transition time is kept when the status stands. Message is cut at 512 bytes:
// 2,000 nodes must stay small objects.
func ApplyNodeCondition(ctx context.Context, c client.Client, n *corev1.Node, owner string, cond corev1.NodeCondition) error {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	transition := now
	for _, old := range n.Status.Conditions {
		if old.Type == cond.Type && old.Status == cond.Status {
			transition = old.LastTransitionTime
		}
	}
	cond.Message = plain.Cut(cond.Message, 512)
	ac := corev1ac.Node(n.Name).WithUID(n.UID).WithStatus(corev1ac.NodeStatus().WithConditions(
		corev1ac.NodeCondition().WithType(cond.Type).WithStatus(cond.Status).WithReason(cond.Reason).
			WithMessage(cond.Message).WithLastHeartbeatTime(now).WithLastTransitionTime(transition)))
	if err := c.Status().Apply(ctx, ac, client.FieldOwner(owner), client.ForceOwnership); err != nil {
		return fmt.Errorf("apply condition %s of node %s: %w", cond.Type, n.Name, err)
	}
	return nil
}

// DropNodeCondition takes back what owner applied to a Node's status.
func DropNodeCondition(ctx context.Context, c client.Client, n *corev1.Node, owner string) error {
	ac := corev1ac.Node(n.Name).WithUID(n.UID).WithStatus(corev1ac.NodeStatus())
	if err := c.Status().Apply(ctx, ac, client.FieldOwner(owner), client.ForceOwnership); err != nil {
		return fmt.Errorf("drop condition of node %s: %w", n.Name, err)
	}
	return nil
}
