package cycle

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
)

// An upgrade begins when the pool has its version, and somebody may change that again
// while it runs: in the Console, or by asking for another one and thinking better of it.
//
//	run of v1.34.2 ── pool has v1.34.1: otherRelease ── set again: releasedAt ── done
//	                       └─ a node made now runs v1.34.1, and is younger than the run
//
// A turn-over is about no version: somebody may give the pool another one, another image
// or other labels in the middle, and that is what its nodes are to end with.
//
//	run, pool has A ── pool has B: releasedAt ── done
//	         └─ a node made now is A, and is replaced once more

// began is what is replaced must be older than: the run's start, or the time at which the
// pool was seen to give nodes something else, or an upgrade's version again.
func began(run *v1alpha1.CycleStatus) time.Time {
	if run.ReleasedAt != nil && !run.OtherRelease {
		return run.ReleasedAt.Time
	}
	return run.StartedAt.Time
}

// wants is the release that the run gives nodes, as far as it is known.
func (d *decision) wants(run *v1alpha1.CycleStatus) cloudprovider.Release {
	if run.OtherRelease {
		to, _ := upgradeValue(run.Request)
		return cloudprovider.Release{Kubernetes: to}
	}
	return d.pool.Cloud.Release
}

// released notes whether the pool has the version that an upgrade is about. A person who
// asks for another one, and thinks again before the run for that is on record, leaves
// machines of the other release that are younger than the run; so does one who edits the
// node pool, and is overruled.
func (d *decision) released(run *v1alpha1.CycleStatus) {
	to, upgrade := upgradeValue(run.Request)
	switch {
	case !upgrade: // about whatever the pool gives
	case d.pool.Cloud.Release.Kubernetes != to:
		run.OtherRelease = true
	case run.OtherRelease:
		run.OtherRelease, run.ReleasedAt = false, &metav1.Time{Time: d.s.Now}
	}
	now := target(d.pool.Cloud)
	if run.Target != "" && run.Target != now && !run.OtherRelease && !single(run) {
		run.ReleasedAt = &metav1.Time{Time: d.s.Now}
	}
	run.Target = now
}

// releaseChanged holds an upgrade whose release the pool does not have: new nodes would
// be of the other one.
func (d *decision) releaseChanged(run *v1alpha1.CycleStatus, _ *v1alpha1.CycleSpec, _ []stale) *Wait {
	if !run.OtherRelease {
		return nil
	}
	return &Wait{ReleaseChanged, fmt.Sprintf("the node pool has %s now, and the run is about %s: nothing new is begun before that is set again",
		d.pool.Cloud.Release.Kubernetes, d.wants(run).Kubernetes)}
}

// notSetAgain is why a run cannot go on whose release somebody has changed, "" if it can.
func (d *decision) notSetAgain(run *v1alpha1.CycleStatus) string {
	last := d.report.Last
	if !run.OtherRelease || last == nil || last.Request != run.Request || last.Outcome != Refused || last.FinishedAt.Before(&run.StartedAt) {
		return ""
	}
	return last.Message
}

// nobodySets is whether nobody will set a run's release again that the pool has lost: its
// annotation is about another version, and that one was answered, be it by a refusal.
func (d *decision) nobodySets(run *v1alpha1.CycleStatus) bool {
	now, there := d.pool.Object.Annotations[v1alpha1.AnnotationUpgradeTo]
	to, _ := upgradeValue(run.Request)
	return there && run.OtherRelease && now != to && d.pool.Answered(v1alpha1.AnnotationUpgradeTo, now)
}
