package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/plain"
	"github.com/tidemill/tidemill/internal/world"
)

// outlook is how far a request is.
type outlook struct {
	text  string
	left  string   // how long it may take, "" if nobody knows
	waits []string // what it waits for, and each of its nodes
	done  bool
	ok    bool // meaningful when done
}

// A watcher looks at a request once.
type watcher func(context.Context) (outlook, error)

// lookEvery is the pace of a wait, and patience how long an API server that has
// answered before may be away: it restarts too when a control plane is upgraded.
const (
	lookEvery = time.Second
	patience  = 2 * time.Minute
)

// await shows progress until the request is done, and says how it ended.
func (g *globals) await(ctx context.Context, timeout time.Duration, name string, look watcher) error {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	p := newProgress(g.stderr)
	defer p.done()
	answered := time.Now()
	for {
		o, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			p.done()
			return given(ctx, name)
		case err != nil && time.Since(answered) > patience:
			return err
		case err != nil:
			p.show(fmt.Sprintf("%s: the API server does not answer, trying again", name))
		case o.done && o.ok:
			p.done()
			_, err := fmt.Fprintf(g.stdout, "%s: %s\n", name, plain.Line(o.text))
			return err
		case o.done:
			return &failure{exitNo, fmt.Errorf("%s: %s", name, o.text), []string{"nothing is under way for this request any more; ask again once the cause is gone"}}
		default:
			answered = time.Now()
			p.tell(fmt.Sprintf("%s: %s", name, o.text), o.left, o.waits)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

// given is why a wait was given up.
func given(ctx context.Context, name string) error {
	hint := "the request stands and goes on; tidemill status shows how far it is"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &failure{exitNo, fmt.Errorf("%s is not done within --timeout", name), []string{hint}}
	}
	return &failure{exitNo, fmt.Errorf("stopped waiting for %s", name), []string{hint}}
}

func poolWatch(c client.Reader, name, key, value, to string) watcher {
	return func(ctx context.Context) (outlook, error) {
		var p v1alpha1.Pool
		if err := c.Get(ctx, client.ObjectKey{Name: name}, &p); apierrors.IsNotFound(err) {
			return outlook{text: "the Pool was deleted", done: true}, nil
		} else if err != nil {
			return outlook{}, fmt.Errorf("get pool %s: %w", name, err)
		}
		return poolOutlook(&p, key, value, to), nil
	}
}

// poolOutlook reads a pool's request off its status.
func poolOutlook(p *v1alpha1.Pool, key, value, to string) outlook {
	request := key + "=" + value
	s := p.Status
	if last := s.LastCycle; last != nil && !slices.Contains(last.Seen, world.TakenOffKey(request)) && (last.Request == request || key == v1alpha1.AnnotationCycle && last.CycleSeen == value) {
		text := fmt.Sprintf("%s, %d replaced", last.Outcome, last.Replaced)
		if last.Message != "" {
			text = last.Outcome + ": " + last.Message
		}
		// A run that was aborted may be asked for again; only one under way now is
		// another try.
		if s.Cycle == nil {
			return outlook{text: text, done: true, ok: last.Outcome == "Succeeded"}
		}
	}
	if run := s.Cycle; run != nil {
		text := fmt.Sprintf("%d of %d replaced, %d of %d ready", run.Replaced, run.Replaced+run.Stale, s.Ready, run.Desired)
		if s.Draining > 0 {
			text += fmt.Sprintf(", %d draining", s.Draining)
		}
		return outlook{text: text, left: eta(run, time.Now()), waits: waitsFor(p)}
	}
	// An upgrade to what every node already runs needs no run.
	if to != "" && s.Release != nil && s.Release.Kubernetes == to && s.Outdated == 0 && isTrue(p, v1alpha1.ConditionUpToDate) {
		return outlook{text: "every node runs " + to, done: true, ok: true}
	}
	if _, ok := p.Annotations[key]; !ok {
		return outlook{text: "the request was taken back", done: true}
	}
	if c := cyclingNote(p); c != nil {
		return outlook{text: "asked; it has not begun", waits: []string{c.Reason + ": " + c.Message}}
	}
	return outlook{text: "asked; waiting for the daemon"}
}

// eta is when the run will be over if it goes on as it has; nothing before the
// first node was replaced.
func eta(run *v1alpha1.CycleStatus, now time.Time) string {
	if run.Replaced == 0 || run.Stale == 0 || run.StartedAt.IsZero() {
		return ""
	}
	left := now.Sub(run.StartedAt.Time) / time.Duration(run.Replaced) * time.Duration(run.Stale)
	if left < 90*time.Second {
		return fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return fmt.Sprintf(", about %s left", left.Round(time.Minute))
}

// waitsShown is how many reasons are shown, and nodesShown how many nodes that wait
// for the same.
const waitsShown, nodesShown = 5, 4

// waitsFor is what the pool waits for, and its nodes: those that wait for the same
// stand together.
func waitsFor(p *v1alpha1.Pool) []string {
	var out []string
	for _, c := range p.Status.Conditions {
		if _, rest, ok := strings.Cut(c.Message, "; "); ok && c.Type == v1alpha1.ConditionCycling {
			out = append(out, c.Reason+": "+rest)
		}
	}
	var why []string
	nodes := map[string][]string{}
	for _, b := range p.Status.Cycle.Blocked {
		text := b.Reason + ": " + b.Message
		if nodes[text] == nil {
			why = append(why, text)
		}
		nodes[text] = append(nodes[text], b.Node)
	}
	for i, text := range why {
		if i == waitsShown {
			return append(out, "and more, see kubectl get pool "+p.Name+" -o yaml")
		}
		names := nodes[text]
		if n := len(names); n > nodesShown {
			names = append(names[:nodesShown:nodesShown], fmt.Sprintf("%d more", n-nodesShown))
		}
		out = append(out, strings.Join(names, ", ")+": "+text)
	}
	return out
}

func isTrue(p *v1alpha1.Pool, condition string) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == condition {
			return c.Status == "True"
		}
	}
	return false
}

// nodeWatch follows one Node until it is gone. A namesake is not it.
func nodeWatch(c client.Reader, n *corev1.Node, value string) watcher {
	return func(ctx context.Context) (outlook, error) {
		var now corev1.Node
		err := c.Get(ctx, client.ObjectKey{Name: n.Name}, &now)
		switch {
		case apierrors.IsNotFound(err), err == nil && now.UID != n.UID:
			return outlook{text: "replaced", done: true, ok: true}, nil
		case err != nil:
			return outlook{}, fmt.Errorf("get node %s: %w", n.Name, err)
		}
		pool, err := poolOf(ctx, c, &now)
		if err != nil {
			return outlook{}, err
		}
		return nodeOutlook(&now, pool, value), nil
	}
}

// nodeOutlook reads a node's request off its mark, and off what its pool says
// blocks it.
func nodeOutlook(n *corev1.Node, pool *v1alpha1.Pool, value string) outlook {
	if n.Annotations[v1alpha1.AnnotationCycle] != value {
		return outlook{text: "the request was taken back", done: true}
	}
	text := "asked; waiting for the daemon"
	switch mark, err := kube.MarkOf(n); {
	case err != nil:
		text = err.Error()
	case mark == nil:
	case mark.Drained != nil:
		text = "empty; its machine is being deleted"
	case mark.DrainStarted != nil:
		text = "draining"
	default:
		text = "waiting for its turn"
	}
	if pool == nil {
		return outlook{text: "it belongs to no node pool that tidemill knows", done: true}
	}
	if run := pool.Status.Cycle; run != nil {
		for _, b := range run.Blocked {
			if b.Node == n.Name {
				text += fmt.Sprintf("; %s: %s", b.Reason, b.Message)
			}
		}
	}
	return outlook{text: text}
}
