package mirror

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/world"
)

// Part is the mirror's part of [v1alpha1.PoolStatus]: the fields it owns.
type Part struct {
	NodePoolID string                     `json:"nodePoolID,omitempty"`
	Shape      string                     `json:"shape,omitempty"`
	Size       int32                      `json:"size"`
	Ready      int32                      `json:"ready"`
	Outdated   int32                      `json:"outdated"`
	Draining   int32                      `json:"draining"`
	Release    *v1alpha1.ReleaseStatus    `json:"release,omitempty"`
	Activity   string                     `json:"activity,omitempty"`
	Learned    []v1alpha1.LearnedTemplate `json:"learned,omitempty"`
	Unjoined   []v1alpha1.UnjoinedMachine `json:"unjoined,omitempty"`
	Conditions []metav1.Condition         `json:"conditions,omitempty"`
}

// partOf reads what stands of the mirror's part.
func partOf(p *v1alpha1.Pool) Part {
	s := p.Status
	part := Part{
		NodePoolID: s.NodePoolID, Shape: s.Shape, Size: s.Size, Ready: s.Ready, Outdated: s.Outdated,
		Draining: s.Draining, Release: s.Release, Activity: s.Activity, Learned: s.Learned, Unjoined: s.Unjoined,
	}
	for _, t := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionUpToDate} {
		if c := find(s.Conditions, t); c != nil {
			part.Conditions = append(part.Conditions, *c)
		}
	}
	return part
}

func (p Part) equal(o Part) bool { return equality.Semantic.DeepEqual(p, o) }

func find(list []metav1.Condition, t string) *metav1.Condition {
	for i := range list {
		if list[i].Type == t {
			return &list[i]
		}
	}
	return nil
}

// poolPart is the status of a Pool whose node pool is known.
func poolPart(s *world.Snapshot, p *world.Pool) Part {
	t := tally(p)
	part := Part{
		NodePoolID: string(p.Cloud.ID), Shape: p.Cloud.Shape, Size: int32(p.Cloud.Size),
		Ready: int32(t.available), Outdated: int32(t.outdated), Draining: int32(t.draining),
		Release:  &v1alpha1.ReleaseStatus{Kubernetes: p.Cloud.Release.Kubernetes, Image: p.Cloud.Release.Image, ImageName: p.Cloud.Release.ImageName},
		Activity: activity(p, t), Learned: p.Learned, Unjoined: p.Unjoined(s.Now),
	}
	if p.Cloud.Virtual {
		part.Activity = "virtual, only shown"
	}
	err := s.CloudErr
	if err == nil {
		err = p.Cloud.Health.Err
	}
	ready := kube.Condition(p.Object, v1alpha1.ConditionReady, metav1.ConditionTrue, "NodePoolFound", found(p))
	if err != nil {
		ready = unavailable(p.Object, err)
	}
	part.Conditions = []metav1.Condition{ready, upToDate(p, t, s.Now)}
	return part
}

// orphanPart is the status of a Pool without a node pool of its own. Of a cloud
// that has not answered nothing is known: what stands is the last good look.
func orphanPart(s *world.Snapshot, o world.Orphan) Part {
	if o.Reason == world.CloudUnavailable {
		part := legible(partOf(o.Object))
		part.Conditions = []metav1.Condition{
			unavailable(o.Object, s.CloudErr),
			kube.Condition(o.Object, v1alpha1.ConditionUpToDate, metav1.ConditionUnknown, string(o.Reason), "the node pool cannot be read"),
		}
		if part.Activity == "" {
			part.Activity = "not seen yet"
		}
		return part
	}
	words := map[world.OrphanReason]string{
		world.NodePoolNotFound:      "gone from OKE",
		world.NodePoolClaimedTwice:  "claimed by another Pool",
		world.NodePoolNameAmbiguous: "name is ambiguous",
	}
	part := Part{NodePoolID: o.Object.Status.NodePoolID, Activity: words[o.Reason]}
	if o.Reason == world.NodePoolNotFound && part.NodePoolID == "" {
		part.Activity = "not found in OKE"
	}
	part.Conditions = []metav1.Condition{
		kube.Condition(o.Object, v1alpha1.ConditionReady, metav1.ConditionFalse, string(o.Reason), o.Message),
		kube.Condition(o.Object, v1alpha1.ConditionUpToDate, metav1.ConditionUnknown, string(o.Reason), "there is no node pool to compare with"),
	}
	return part
}

// legible is what stands with its words made harmless. Whoever may write a Pool's status
// has perhaps written into it, and what is applied again is said by tidemill.
func legible(p Part) Part {
	p.Activity, p.Shape = plain.Line(p.Activity), plain.Line(p.Shape)
	unjoined := p.Unjoined
	p.Unjoined = nil
	for _, m := range unjoined {
		p.Unjoined = append(p.Unjoined, v1alpha1.UnjoinedMachine{ID: plain.Line(m.ID), Since: m.Since})
	}
	if r := p.Release; r != nil {
		p.Release = &v1alpha1.ReleaseStatus{Kubernetes: plain.Line(r.Kubernetes), Image: plain.Line(r.Image), ImageName: plain.Line(r.ImageName)}
	}
	return p
}

// unavailable is the Ready condition while the cloud cannot be read. The cloud's
// errors carry request IDs and ports that differ each time; as long as the kind
// of failure stands, so does the message, and nothing is written.
func unavailable(object *v1alpha1.Pool, err error) metav1.Condition {
	kind := "the cloud does not answer, the numbers are from the last good look"
	hint := "hint: see the daemon's log; is the OKE endpoint reachable from here?"
	switch {
	case errors.Is(err, cloudprovider.ErrUnauthorized):
		kind = "the cloud refuses tidemill's credentials"
		hint = "hint: check the key and the IAM policy of the user or principal that tidemill runs as"
	case errors.Is(err, cloudprovider.ErrThrottled):
		kind, hint = "the cloud asks to slow down", "hint: it is tried again by itself"
	case errors.Is(err, cloudprovider.ErrNotFound):
		kind = "the cloud does not find the node pool or its cluster"
		hint = "hint: check --compartment-id and --cluster-id, and that the IAM policy lets tidemill read them"
	}
	// Long enough for the IAM statement that the driver names at the end.
	message := fmt.Sprintf("%s: %s; %s", kind, cut(firstLine(err.Error()), 850), hint)
	old := find(object.Status.Conditions, v1alpha1.ConditionReady)
	if old != nil && old.Reason == string(world.CloudUnavailable) && strings.HasPrefix(old.Message, kind) {
		message = old.Message
	}
	return kube.Condition(object, v1alpha1.ConditionReady, metav1.ConditionFalse, string(world.CloudUnavailable), message)
}

// upToDate says whether every node runs the pool's release and nobody is
// working on it or has asked for work, which is what a user waits for. A machine
// that never became a node runs nothing; that it is there comes before nodes that are
// old, for a pool may be left old on purpose.
func upToDate(p *world.Pool, t numbers, now time.Time) metav1.Condition {
	nodes := len(p.Nodes) - t.failed
	status, reason, message := metav1.ConditionTrue, "UpToDate", fmt.Sprintf("%d of %d nodes run %s", nodes, nodes, p.Cloud.Release)
	missing := missing(p, now)
	switch run := p.Run(); {
	case run != nil:
		status, reason, message = metav1.ConditionFalse, "Cycling", "a run is under way: "+run.Request
	case asked(p) != "":
		status, reason, message = metav1.ConditionFalse, "Requested", "not begun yet: "+asked(p)
	case len(missing) > 0:
		status, reason, message = metav1.ConditionFalse, "NotJoined", notJoined(p, missing)
	case t.outdated > 0:
		status, reason, message = metav1.ConditionFalse, "Outdated", fmt.Sprintf("%d of %d nodes do not run %s", t.outdated, nodes, p.Cloud.Release)
	}
	return kube.Condition(p.Object, v1alpha1.ConditionUpToDate, status, reason, message)
}

// asked is a request that cycling has neither begun nor answered, "" if there is
// none. Whoever annotates a pool and waits for UpToDate must not find the
// condition of before.
func asked(p *world.Pool) string {
	for _, key := range []string{v1alpha1.AnnotationUpgradeTo, v1alpha1.AnnotationCycle} {
		value, ok := p.Object.Annotations[key]
		met := key == v1alpha1.AnnotationUpgradeTo && value == p.Cloud.Release.Kubernetes
		if ok && !met && !p.Answered(key, value) {
			return key + "=" + value
		}
	}
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// cut shortens s to n characters, not bytes: half a character is no text.
func cut(s string, n int) string { return plain.Cut(s, n) }
