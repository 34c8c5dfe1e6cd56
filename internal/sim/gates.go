package sim

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/internal/kube"
)

// Gates hold a run: until a person says yes, while a server says no. In some histories
// the person is quick, in some late, and in some there is nobody and the server is down
// for good: then the run waits for ever, says for what, and everything else goes on.

// A gatekeeper is how gates are answered in a history.
type gatekeeper struct {
	approves time.Duration // after a run has asked; never if zero
	opens    time.Duration // after the faults; never if zero
	flaps    time.Duration // while faults last the servers say yes and no for as long in turn
}

// backup is whose pods hold runs up where a gate asks for pods: they are there while
// servers would say no.
var backup = &app{name: "backup", cpu: 100, memory: 100}

var gatekeepers = []gatekeeper{
	{30 * time.Second, time.Second, time.Minute},
	{4 * time.Minute, 4 * time.Minute, 40 * time.Second},
	{12 * time.Minute, 12 * time.Minute, 2 * time.Minute},
	{},
}

// drawGates has the gates of this history answered soon, late or never.
func (w *World) drawGates() {
	for _, id := range w.pools {
		if p := w.poolObject(id); p != nil && p.Spec.Cycle != nil && len(p.Spec.Cycle.Gates) > 0 {
			w.gates = gatekeepers[w.tape.Pick(len(gatekeepers))]
			return
		}
	}
}

// asksForPods is whether a gate of a pool does.
func asksForPods(p *v1alpha1.Pool) bool {
	return p != nil && p.Spec.Cycle != nil && slices.ContainsFunc(p.Spec.Cycle.Gates, func(g v1alpha1.CycleGate) bool { return g.Pods != nil })
}

// tickBackup has a pod come that holds runs up, come again where it was evicted, and go.
func (w *World) tickBackup(now time.Time) {
	if !slices.ContainsFunc(w.pools, func(id string) bool { return asksForPods(w.poolObject(id)) }) {
		return
	}
	open, since := w.serverOpen(now)
	switch {
	case !w.calm && w.gates.flaps > 0:
		w.soon(since.Add(w.gates.flaps))
	case w.calm && !open && w.gates.opens > 0:
		w.soon(w.healed.Add(w.gates.opens))
	}
	there := w.podsOf(backup.name)
	switch {
	case open:
		w.backedUp = time.Time{}
		for _, p := range there {
			w.api.Remove(p)
		}
	case len(there) == 0:
		if w.backedUp.IsZero() {
			w.backedUp = now
		}
		w.made++
		w.api.Create(w.newPod(backup))
	}
}

// podsUnseen is whether somebody's watch of pods keeps back what it has to tell.
func (w *World) podsUnseen() bool {
	now := time.Now()
	return slices.ContainsFunc(w.procs, func(p *process) bool {
		return slices.ContainsFunc(p.feeds, func(f *feed) bool { return strings.Contains(f.key, "/pods?") && now.Before(f.hangs) })
	})
}

// tickGates has somebody approve what says that nobody has.
func (w *World) tickGates() {
	if w.gates.approves == 0 {
		return
	}
	for _, id := range w.pools {
		p := w.poolObject(id)
		if p == nil || p.Status.Cycle == nil || w.books.asked[id].Equal(p.Status.Cycle.StartedAt.Time) || !strings.Contains(conditions(p), "nobody has approved yet") {
			continue
		}
		token := p.Status.Cycle.StartedAt
		w.books.asked[id] = token.Time
		w.errandIn(w.gates.approves, "approves the run of pool "+p.Name, func() {
			if p := w.poolObject(id); p != nil {
				w.api.Edit(p, func(o client.Object) { set(o, v1alpha1.AnnotationApprove, token.UTC().Format(time.RFC3339)) })
			}
		})
	}
}

// serverOpen is what the server that gates ask says now, and since when.
func (w *World) serverOpen(now time.Time) (open bool, since time.Time) {
	if !w.calm {
		if w.gates.flaps == 0 {
			return false, w.began
		}
		turn := now.Sub(w.began) / w.gates.flaps
		return turn%2 == 0, w.began.Add(turn * w.gates.flaps)
	}
	if opens := w.healed.Add(w.gates.opens); w.gates.opens > 0 && !now.Before(opens) {
		return true, opens
	}
	return false, w.healed
}

// A server's answer is an op like any other, so that faults and delays are the tape's.
type serverWay struct{ p *process }

// RoundTrip implements http.RoundTripper for servers that gates ask.
func (s serverWay) RoundTrip(r *http.Request) (*http.Response, error) {
	return s.p.wait(&op{key: fmt.Sprintf("%s %s GATE %s", s.p.name, nameOf(r.Context()), r.URL), server: r, ctx: r.Context()})
}

func (w *World) serveGate(o *op) answer {
	open, _ := w.serverOpen(time.Now())
	status, body := http.StatusServiceUnavailable, "closed"
	if open {
		status, body = http.StatusOK, "open"
	}
	if strings.HasSuffix(o.server.URL.Path, "/query") {
		status, body = http.StatusOK, fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"%d"]}]}}`, map[bool]int{true: 1}[open])
	}
	return answer{r: &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: o.server}}
}

// closedGate is the gate of a pool that has truly been closed for so long, "" if none is.
func (w *World) closedGate(p *v1alpha1.Pool, for_ time.Duration) string {
	if p.Spec.Cycle == nil || p.Status.Cycle == nil {
		return ""
	}
	open, since := w.serverOpen(time.Now())
	for _, g := range p.Spec.Cycle.Gates {
		switch {
		case g.AfterCanary && !canaryGone(p):
		case g.Approval != nil && p.Annotations[v1alpha1.AnnotationApprove] != p.Status.Cycle.StartedAt.UTC().Format(time.RFC3339),
			(g.HTTP != nil || g.Prometheus != nil) && !open && time.Since(since) > for_:
			return g.Name
		case g.Pods != nil && !w.backedUp.IsZero() && time.Since(w.backedUp) > for_ && (for_ == 0 || !w.podsUnseen()):
			return g.Name
		}
	}
	return ""
}

// canaryGone is whether a run has nodes to go first no more: they have, or all that it
// replaces is no more than they are, or it is a run for one node, which has none.
func canaryGone(p *v1alpha1.Pool) bool {
	run, canary := p.Status.Cycle, p.Spec.Cycle.Canary
	if run.CanaryDoneAt != nil || canary == nil || strings.HasPrefix(run.Request, "node/") {
		return true
	}
	return run.Replaced+run.Stale <= ptr.Deref(canary.Count, 1)
}

// throughGate checks, when a run has just cordoned a node, that all gates were open not
// long ago: an answer is believed for a minute. What the doctor has asked for, and what
// a run has beyond the pool's size, wait for nobody.
func (w *World) throughGate(pool string, n *corev1.Node, mark *kube.Mark) {
	p := w.poolObject(pool)
	if p == nil || p.Spec.Cycle == nil || mark.Reason == string(cycle.Surplus) || mark.Reason == string(cycle.JoinTimeout) || asksRepair(n) {
		return
	}
	w.promise(keepHuman, !w.shut(p), "node %s was cordoned outside of its pool's window", n.Name)
	gate := w.closedGate(p, time.Minute+forgiven)
	w.promise(keepHuman, gate == "", "node %s was cordoned, and gate %s is closed", n.Name, gate)
}

// gated is whether a pool's run waits at a closed gate, and says so.
func (w *World) gated(p *v1alpha1.Pool) bool {
	c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionCycling)
	gate := w.closedGate(p, 0)
	return gate != "" && c != nil && c.Reason == string(cycle.GateClosed) && strings.Contains(c.Message, "gate "+gate+" is closed")
}
