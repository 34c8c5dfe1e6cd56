package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// A Turn is one turn-over of a pool, watched from the request to the clean end.
type Turn struct {
	Pool string
	// Key and Value are the annotation that asks for it.
	Key, Value string
	// Version is what every node must run in the end; "" is not checked.
	Version string
	// Load runs meanwhile and must run in full in the end; nil is none.
	Load *Workload
	// Meanwhile, if set, plays while the turn-over is under way.
	Meanwhile func(ctx context.Context, s *Stage, before Fleet) error
}

// Fleet are the machines of a pool at one time, by instance OCID.
type Fleet map[string]string

// turned is what came of a Turn.
type turned struct {
	nodes int
	took  time.Duration
	calls int
	seen  Seen
}

// Turn asks for a turn-over and sees it through.
func (s *Stage) Turn(ctx context.Context, t Turn) (turned, error) {
	cloud, err := s.CloudPool(t.Pool)
	if err != nil {
		return turned{}, err
	}
	before, err := s.fleet(ctx, t.Pool)
	if err != nil {
		return turned{}, err
	}
	if len(before) != cloud.Size {
		return turned{}, fmt.Errorf("pool %s has %d nodes and size %d: it is not at rest", t.Pool, len(before), cloud.Size)
	}
	run, err := s.bounds(ctx, t.Pool, cloud.Size)
	if err != nil {
		return turned{}, err
	}
	if t.Load != nil && t.Load.Spare > 0 {
		s.Watcher.Guard(t.Load.Name, Guard{Namespace: shop, Selector: labels.SelectorFromSet(t.Load.labels()), Min: int(t.Load.Replicas) - t.Load.Spare})
		defer s.Watcher.Unguard(t.Load.Name)
	}
	s.Watcher.Begin(cloud.ID, run)
	result := turned{nodes: len(before), calls: -s.calls()}
	begin := time.Now()
	err = s.playTurn(ctx, t, before)
	result.took, result.calls = time.Since(begin), result.calls+s.calls()
	result.seen = s.Watcher.End(cloud.ID, time.Now())
	if err != nil {
		return result, err
	}
	return result, s.turnedWell(ctx, t, before, cloud.Size)
}

func (s *Stage) playTurn(ctx context.Context, t Turn, before Fleet) error {
	if err := s.Annotate(ctx, t.Pool, t.Key, t.Value); err != nil {
		return err
	}
	if t.Meanwhile != nil {
		if err := t.Meanwhile(ctx, s, before); err != nil {
			return err
		}
	}
	patience := time.Minute + time.Duration(len(before))*30*time.Second
	return s.Wait(ctx, "the turn-over of "+t.Pool+" to end", patience, func(ctx context.Context) (bool, string, error) {
		p, err := s.Pool(ctx, t.Pool)
		if err != nil {
			return false, "", err
		}
		now, err := s.fleet(ctx, t.Pool)
		if err != nil {
			return false, "", err
		}
		text := fmt.Sprintf("%d of %d old nodes are left, %d nodes in all; %s", before.stillIn(now), len(before), len(now), p.Status.Activity)
		return s.runEnded(p, t), text, refused(p, t)
	})
}

// runEnded is whether the Pool's own record says that this request is done.
func (s *Stage) runEnded(p *v1alpha1.Pool, t Turn) bool {
	last := p.Status.LastCycle
	return p.Status.Cycle == nil && last != nil && last.Request == t.Key+"="+t.Value && last.Outcome == "Succeeded" &&
		condition(p, v1alpha1.ConditionUpToDate).Status == metav1.ConditionTrue
}

// refused is the error that a run ended otherwise than well.
func refused(p *v1alpha1.Pool, t Turn) error {
	if last := p.Status.LastCycle; last != nil && last.Request == t.Key+"="+t.Value && last.Outcome != "Succeeded" {
		return fmt.Errorf("the run ended: %s: %s", last.Outcome, last.Message)
	}
	return nil
}

// turnedWell checks what must be true afterwards.
func (s *Stage) turnedWell(ctx context.Context, t Turn, before Fleet, size int) error {
	if t.Load != nil {
		if err := s.Wait(ctx, "all pods to run again", 2*time.Minute, s.allRun(*t.Load)); err != nil {
			return err
		}
	}
	return s.Wait(ctx, "pool "+t.Pool+" to be at rest", time.Minute, func(ctx context.Context) (bool, string, error) {
		nodes, _, err := s.NodesOf(ctx, t.Pool)
		if err != nil {
			return false, "", err
		}
		var wrong []string
		for i := range nodes {
			n := &nodes[i]
			wrong = append(wrong, marks(n)...)
			if v := n.Status.NodeInfo.KubeletVersion; t.Version != "" && v != t.Version {
				wrong = append(wrong, fmt.Sprintf("node %s runs %s", n.Name, v))
			}
			if _, old := before[n.Spec.ProviderID]; old {
				wrong = append(wrong, fmt.Sprintf("node %s is an old one", n.Name))
			}
		}
		if len(nodes) != size || s.Size(t.Pool) != size {
			wrong = append(wrong, fmt.Sprintf("%d nodes and size %d, want %d", len(nodes), s.Size(t.Pool), size))
		}
		return len(wrong) == 0, strings.Join(wrong, "; "), nil
	})
}

// fleet are the pool's Nodes by machine.
func (e *Env) fleet(ctx context.Context, pool string) (Fleet, error) {
	nodes, _, err := e.NodesOf(ctx, pool)
	if err != nil {
		return nil, err
	}
	f := Fleet{}
	for _, n := range nodes {
		f[n.Spec.ProviderID] = n.Name
	}
	return f, nil
}

// stillIn counts the machines that another fleet has too.
func (f Fleet) stillIn(other Fleet) int {
	n := 0
	for id := range f {
		if _, ok := other[id]; ok {
			n++
		}
	}
	return n
}

// bounds are the pool's surge and unavailability as its spec says, resolved by
// the same rules as everywhere: surge rounds up, unavailability down.
func (s *Stage) bounds(ctx context.Context, pool string, desired int) (Run, error) {
	run := Run{Desired: desired, MaxSurge: 1, Since: time.Now().Truncate(time.Second)}
	p, err := s.Pool(ctx, pool)
	if err != nil || p.Spec.Cycle == nil {
		return run, err
	}
	if v := p.Spec.Cycle.MaxSurge; v != nil {
		if run.MaxSurge, err = intstr.GetScaledValueFromIntOrPercent(v, desired, true); err != nil {
			return run, err
		}
	}
	if v := p.Spec.Cycle.MaxUnavailable; v != nil {
		if run.MaxUnavailable, err = intstr.GetScaledValueFromIntOrPercent(v, desired, false); err != nil {
			return run, err
		}
	}
	switch p.Spec.Cycle.Strategy {
	case v1alpha1.StrategyInPlace, v1alpha1.StrategyBootVolume:
		run.MaxSurge, run.MaxUnavailable = 0, max(run.MaxUnavailable, 1)
	case v1alpha1.StrategyBlueGreen:
		run.MaxSurge = desired
	}
	run.Zones, err = s.zones(pool)
	return run, err
}

// zones counts the availability domains that the pool is spread over.
func (e *Env) zones(pool string) (int, error) {
	cloud, err := e.CloudPool(pool)
	seen := map[string]bool{}
	for _, p := range cloud.Placements {
		seen[p.AD] = true
	}
	return len(seen), err
}

// calls counts the requests that the cloud has had, reads included.
func (e *Env) calls() int {
	total := 0
	for _, n := range e.Sim.Calls() {
		total += n
	}
	return total
}

// readyNodes counts the pool's available nodes.
func readyNodes(nodes []corev1.Node) int {
	n := 0
	for i := range nodes {
		if viewNode(&nodes[i]).Available() {
			n++
		}
	}
	return n
}
