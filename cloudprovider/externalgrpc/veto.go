package externalgrpc

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// veto is why the client may not delete a node, or touch a group: tidemill is
// at work there. The zero value is none.
type veto struct {
	// cause sorts vetoes for the metric: "disruption", "request", "unreadable" or "run".
	cause string
	why   string
	// about is the Node or the Pool that the event is of; nil without a cluster.
	about runtime.Object
}

func (v veto) none() bool { return v.cause == "" }

// vetoOf is why a node is not the client's to delete: tidemill disrupts it, or
// may, or was asked to.
func vetoOf(n *corev1.Node) veto {
	m, err := kube.MarkOf(n)
	request := n.Annotations[v1alpha1.AnnotationCycle]
	v := veto{about: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID}}}
	switch {
	case err != nil:
		v.cause, v.why = "unreadable", fmt.Sprintf("node %s carries a mark that cannot be read: %v", n.Name, err)
	case m != nil:
		v.cause, v.why = "disruption", fmt.Sprintf("node %s is being disrupted by tidemill since %s: %s, %s", n.Name, m.Since.UTC().Format("15:04:05"), m.Cause, m.Reason)
	case request != "":
		v.cause, v.why = "request", fmt.Sprintf("node %s will be replaced by tidemill: %s=%s", n.Name, v1alpha1.AnnotationCycle, request)
	default:
		return veto{}
	}
	return v
}

// running is the veto of a group that is being turned over: one pool has one
// executor of disruption.
func (g *group) running() veto {
	if g.run == nil {
		return veto{}
	}
	return veto{"run", fmt.Sprintf("tidemill is turning the pool over (%s), it will be possible when that has ended", g.run.object.Status.Cycle.Request), g.run.object}
}

// refused reports a veto and makes the answer of it. A client asks again in each
// of its loops; the event is made once for each reason, the metric counts all.
func (p *Plugin) refused(v veto, what string) error {
	p.metrics.vetoes.WithLabelValues(v.cause).Inc()
	if c := p.options.Cluster; c != nil && c.Events != nil && v.about != nil && p.once("veto "+v.why) {
		c.Events.Eventf(v.about, nil, corev1.EventTypeNormal, "ScaleDownRefused", "Delete", "cluster-autoscaler may not %s: %s", what, v.why)
	}
	return refuse("%s: %s", what, v.why)
}
