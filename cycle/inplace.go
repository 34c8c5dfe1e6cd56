package cycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// renew goes on with an empty node whose machine stays: restart it, wait until
// it is back, give it back. The mark carries what is to be done, when the cloud
// was asked and which boot that ended, so that a new process knows as much.
//
//	drained ─► Reboot or ReplaceBootVolume ─► another boot ID, Ready, passed ─► Release
//	                                     └──► not back in time ─► Skip
func (d *decision) renew(n *world.Node) {
	kind := Reboot
	if n.Mark.Action == kube.RepairReplaceBootVolume {
		kind = ReplaceBootVolume
	}
	switch message := d.refusal(kind); {
	case n.Mark.Acted == nil && message != "":
		d.answer(n, Unsupported, message)
	case n.Mark.Acted == nil && d.s.Now.Sub(*n.Mark.Drained) >= d.restartTimeout(n):
		// Asked at each look, and never taken: what the cloud says changes with its
		// state, so that no single answer is final.
		d.notBack(n, fmt.Sprintf("the cloud has not taken the order to restart its machine since %s", clock(n.Mark.Drained)))
	case n.Mark.Acted == nil:
		d.do(nodeStep(kind, n))
	case d.back(n):
		d.answer(n, Renewed, "its machine is back and well")
	case d.s.Now.Sub(*n.Mark.Acted) >= d.restartTimeout(n):
		d.notBack(n, fmt.Sprintf("its machine was restarted at %s and has not come back (%s)", clock(n.Mark.Acted), n.Stage()))
	default:
		d.block(n, Restarting, fmt.Sprintf("its machine was restarted at %s and is not back yet (%s)", clock(n.Mark.Acted), n.Stage()))
	}
}

// answer gives the node back, and takes away the request that is met or cannot
// be met.
func (d *decision) answer(n *world.Node, r Reason, message string) {
	s := nodeStep(Release, n)
	s.Reason, s.Message, s.Request = r, message, d.asks(n)
	if r == Renewed {
		s.Until = n.Mark.Acted
	}
	d.do(s)
}

// asks is the value of the doctor's request that the node's mark answers, "" if
// the mark is not for one.
func (d *decision) asks(n *world.Node) string {
	value := n.Object.Annotations[v1alpha1.AnnotationCycle]
	if r, asked, err := kube.ParseRepairRequest(value); asked && err == nil && r.Action == n.Mark.Action {
		return value
	}
	return ""
}

// notBack gives up on a machine that did not come back: the doctor's request is
// answered, and the doctor will ask for something stronger; a run sets the node
// aside and counts a failure.
func (d *decision) notBack(n *world.Node, message string) {
	if n.Mark.Cause == kube.CauseRepair {
		d.answer(n, NotBack, message)
		return
	}
	if run := d.report.Cycle; run != nil && !slices.Contains(run.FailedJoins, string(n.ID())) && len(run.FailedJoins) < d.maxFailed() {
		run.FailedJoins = append(run.FailedJoins, string(n.ID()))
		s := nodeStep(CountJoinFailure, n)
		s.Message = message
		d.do(s)
	}
	d.skip(n, NotBack, message)
}

// How long a machine may take to be back from a restart: a virtual one boots in
// two or three minutes, bare metal tests its memory first and GPUs load drivers.
const (
	rebootTime     = 8 * time.Minute
	slowRebootTime = 20 * time.Minute
)

// restartTimeout is how long a restarted machine is waited for. One that gets a
// new boot volume has everything to do that a new machine has, but its launch.
func (d *decision) restartTimeout(n *world.Node) time.Duration {
	if n.Mark.Action != kube.RepairReboot {
		return d.joinTimeout()
	}
	if r := d.pool.RepairSpec(); r != nil && r.RestartTimeout != nil && r.RestartTimeout.Duration > 0 {
		return r.RestartTimeout.Duration
	}
	usual := rebootTime
	if shape := d.pool.Cloud.Shape; strings.HasPrefix(shape, "BM.") || strings.Contains(shape, "GPU") {
		usual = slowRebootTime
	}
	return min(usual, d.joinTimeout())
}

// settled is how long a machine whose boots cannot be told apart is given to go
// down before it is believed to be back.
const settled = 2 * time.Minute

// back is whether the machine has booted anew and is well.
func (d *decision) back(n *world.Node) bool {
	info := n.Object.Status.NodeInfo
	switch {
	case n.Stage() == world.StageLost || !n.Ready() || !n.Passed():
		return false
	case n.Mark.BootID == "" || info.BootID == "":
		return d.s.Now.Sub(*n.Mark.Acted) >= settled
	case info.BootID == n.Mark.BootID:
		return false
	}
	return n.Mark.Action != kube.RepairReplaceBootVolume || drift(n, d.pool.Cloud.Release) == "" || d.s.Now.Sub(*n.Mark.Acted) >= settled
}

// restart asks the cloud to restart a machine, if a live look still allows it,
// and writes on its Node that it was asked.
func (t *turn) restart(ctx context.Context, s Step) error {
	asking, err := t.still(ctx, s, t.stillDrained)
	if err != nil {
		return err
	}
	var live corev1.Node
	if err := t.Live.Get(ctx, client.ObjectKey{Name: s.Node}, &live); err != nil {
		return fmt.Errorf("read node %s: %w", s.Node, err)
	}
	do := t.Fleet.Reboot
	if s.Kind == ReplaceBootVolume {
		do = t.Fleet.ReplaceBootVolume
	}
	if err := do(asking, s.PoolID, s.Instance); err != nil {
		return err
	}
	// A process that dies here asks once more: the node is empty, and a second
	// restart costs minutes.
	n := t.nodes[s.NodeUID]
	acted := *n.Mark
	now := time.Now().UTC()
	acted.Acted, acted.BootID = &now, live.Status.NodeInfo.BootID
	return t.setMark(ctx, n, acted)
}
