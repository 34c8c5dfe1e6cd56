package sim

import (
	"encoding/json"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// All in a bubble have one time. What a clock that is off does to the daemon is seen
// from it all the same, by having the clocks of the others off: what they write is
// dated by their own, what happens to it is not.
//
//	the API server   creationTimestamp, deletionTimestamp, transitions that controllers note
//	the cloud        timeCreated, times of work requests
//	a kubelet        its lease, its Node's conditions, what the host's agent says
//	a replica        renewTime and acquireTime in the Lease, as the other one reads them;
//	                 or all that it writes, from its next life on (hostclock.go)
//
// A clock jumps, so there is a before and an after in each history. Half of them are
// put right when the faults end; the others nobody ever mends, which is the ordinary case.

// offs are by how much; the friendliest first.
var offs = []time.Duration{20 * time.Second, -20 * time.Second, 90 * time.Second, -90 * time.Second, 10 * time.Minute, -10 * time.Minute, 26 * time.Hour}

// skewed are those whose clock nobody mends, and by how much the cloud's is off now.
type skewed struct {
	api, cloud, others bool
	cloudBy            time.Duration
}

// setCloud sets the cloud's clock.
func (w *World) setCloud(by time.Duration) {
	w.cloud.SetClock(by)
	w.skews.cloudBy = by
}

// jump sets somebody's clock.
func (w *World) jump(p *process) {
	whose, by, stays := w.tape.Pick(4), offs[w.tape.Pick(len(offs))], w.tape.Pick(2) == 1
	switch whose {
	case 0:
		w.api.Skew, w.skews.api = by, stays
		w.dated("the API server's", by, stays)
	case 1:
		w.setCloud(by)
		w.skews.cloud = stays
		w.dated("the cloud's", by, stays)
	case 2:
		if k := w.anyKubelet(); k != nil {
			k.clock, w.skews.others = by, stays
			w.dated("the kubelet's of "+k.node, by, stays)
		}
	case 3:
		if stays { // its machine comes up again with another time
			w.wall = by
			w.dated("that of the life after "+p.name, by, stays)
			w.crash(p)
			return
		}
		p.clock, w.skews.others = by, stays
		w.dated("that of "+p.name, by, stays)
	}
}

func (w *World) dated(whose string, by time.Duration, stays bool) {
	w.stats.kinds["clock"]++
	w.note("clock: %s is off by %s, for good: %t", whose, by, stays)
}

// mendClocks is what somebody does when the faults end, in half of the cases.
func (w *World) mendClocks() {
	if !w.skews.api {
		w.api.Skew = 0
	}
	if !w.skews.cloud {
		w.setCloud(0)
	}
	w.wall = 0
	for _, p := range w.procs {
		if p.wall.Abs() > refusedBeyond { // Oracle does not talk to it: somebody sees to that
			w.crash(p)
		}
	}
	if w.skews.others {
		return
	}
	for _, p := range w.procs {
		p.clock = p.wall
	}
	for _, id := range w.order {
		w.kubelets[id].clock = 0
	}
}

// says is the time as the kubelet tells it, and as those tell it who run beside the
// API server: the scheduler, the controllers.
func (k *kubelet) says(now time.Time) metav1.Time {
	return metav1.NewTime(now.Add(k.clock).Truncate(time.Second))
}

func (w *World) controllersSay(now time.Time) metav1.Time {
	return metav1.NewTime(now.Add(w.api.Skew).Truncate(time.Second))
}

// redated is the write of a Lease as a process with such a clock would have written it.
func (w *World) redated(o *op) []byte {
	var l coordinationv1.Lease
	if o.p.clock == 0 || json.Unmarshal(o.body, &l) != nil || l.Spec.RenewTime == nil {
		return o.body
	}
	for _, t := range []*metav1.MicroTime{l.Spec.RenewTime, l.Spec.AcquireTime} {
		if t != nil {
			t.Time = t.Add(o.p.clock)
		}
	}
	w.books.renewals[l.Spec.RenewTime.UnixMicro()] = l.Spec.RenewTime.Add(-o.p.clock)
	text, err := json.Marshal(l)
	if err != nil {
		return o.body
	}
	return text
}

// renewed is when a Lease was truly renewed.
func (w *World) renewed(l *coordinationv1.Lease) time.Time {
	if at, ok := w.books.renewals[l.Spec.RenewTime.UnixMicro()]; ok {
		return at
	}
	return l.Spec.RenewTime.Time
}

// turned is when a Node's Ready truly changed last.
func (w *World) turned(n *corev1.Node, ready *corev1.NodeCondition) metav1.Time {
	if k := w.kubelets[n.Spec.ProviderID]; k != nil && k.node == n.Name && !k.turned.IsZero() {
		return metav1.NewTime(k.turned)
	}
	return ready.LastTransitionTime
}
