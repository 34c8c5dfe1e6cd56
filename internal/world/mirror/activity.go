package mirror

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// numbers are a pool's nodes by what its status tells.
type numbers struct {
	available, outdated, draining, failed, broken int
	coming, gated                                 int // not Nodes yet, and not examined yet
	shrinking, repairing                          int
	fault                                         string // of the first failed entry
}

// tally counts a pool once for status and activity both.
func tally(p *world.Pool) numbers {
	var t numbers
	for _, n := range p.Nodes {
		if Outdated(n, p.Cloud.Release) {
			t.outdated++
		}
		switch stage(p, n) {
		case world.StageAvailable:
			t.available++
		case world.StageLaunching, world.StageJoining:
			t.coming++
		case world.StageGated:
			t.gated++
		case world.StageDraining, world.StageDrained, world.StageTerminating:
			t.draining++
		case world.StageBroken, world.StageLost:
			t.broken++
		case world.StageFailed:
			t.failed++
			if t.fault == "" && n.Instance.Fault != nil {
				t.fault = n.Instance.Fault.Class.String()
			}
		}
		switch {
		case n.Mark == nil:
		case n.Mark.Cause == kube.CauseScaleDown:
			t.shrinking++
		case n.Mark.Cause == kube.CauseRepair:
			t.repairing++
		}
	}
	return t
}

// stage is the node's stage as a reader would call it. The doctor examines only
// pools that opted in to a verb, so elsewhere no gate is waited for; and what
// the doctor has found broken is not on its way.
func stage(p *world.Pool, n *world.Node) world.Stage {
	s := n.Stage()
	problem := n.Condition(v1alpha1.NodeConditionProblem)
	switch {
	case s == world.StageGated && problem != nil && problem.Status == corev1.ConditionTrue:
		return world.StageBroken
	case s == world.StageGated && p.ScaleSpec() == nil && p.CycleSpec() == nil && p.RepairSpec() == nil:
		return world.StageAvailable
	}
	return s
}

// Outdated is whether a registered node runs something else than release. A
// machine that has not registered tells nothing yet, and one that is leaving
// does not count. Where the cloud does not tell an instance's image, the
// version alone decides.
func Outdated(n *world.Node, release cloudprovider.Release) bool {
	switch n.Stage() {
	case world.StageFailed, world.StageLaunching, world.StageTerminating:
		return false
	}
	if n.Object != nil && release.Kubernetes != "" && n.Kubernetes() != release.Kubernetes {
		return true
	}
	return n.Instance != nil && n.Instance.Release.Image != "" && release.Image != "" && n.Instance.Release.Image != release.Image
}

// activity tells what is happening in a few words, the most telling first. It
// carries no clock times that pass, so that it stands while nothing happens.
func activity(p *world.Pool, t numbers) string {
	var words []string
	run := p.Run()
	switch {
	case run != nil:
		words = append(words, cycling(p, run))
	case t.repairing > 0:
		words = append(words, "repairing "+nodes(t.repairing))
	}
	if run == nil {
		if t.coming > 0 {
			words = append(words, fmt.Sprintf("growing %d→%d", max(p.Cloud.Size-t.coming, 0), p.Cloud.Size))
		}
		if t.gated > 0 {
			words = append(words, "examining "+nodes(t.gated))
		}
		if t.shrinking > 0 {
			words = append(words, fmt.Sprintf("shrinking %d→%d", p.Cloud.Size, max(p.Cloud.Size-t.shrinking, 0)))
		}
	}
	if t.failed > 0 {
		words = append(words, strings.TrimSuffix(fmt.Sprintf("%d failed: %s", t.failed, t.fault), ": "))
	}
	if t.broken > 0 {
		words = append(words, fmt.Sprintf("%d broken", t.broken))
	}
	if len(words) == 0 && t.draining > 0 {
		words = append(words, "deleting "+nodes(t.draining))
	}
	if len(words) == 0 {
		words = append(words, "idle")
	}
	if p.Paused() {
		words = append(words, "paused")
	}
	return strings.Join(words, ", ")
}

// cycling is a run in a few words: how far, and whereto if it was told.
func cycling(p *world.Pool, run *v1alpha1.CycleStatus) string {
	s := fmt.Sprintf("cycling %d/%d", run.Replaced, run.Replaced+run.Stale)
	if key, version, _ := strings.Cut(run.Request, "="); key == v1alpha1.AnnotationUpgradeTo {
		s += " to " + version
	}
	return s
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
