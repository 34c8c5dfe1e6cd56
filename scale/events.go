package scale

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/scale/buffer"
)

// Reasons of events, as users of cluster-autoscaler know them.
const (
	eventTriggered    = "TriggeredScaleUp"
	eventNotTriggered = "NotTriggerScaleUp"
	eventFailed       = "FailedToScaleUpGroup"
	eventGroup        = "ScaledUpGroup"
	eventRemoved      = "ScaleDown"
	eventRemovedEmpty = "ScaleDownEmpty"
	eventMaxNodes     = "MaxNodesTotalReached"
	eventUnhealthy    = "ClusterUnhealthy"
	eventLimit        = "ScaleUpLimited"
	eventRunaway      = "ScaleUpRunaway"
	eventTimedOut     = "ScaleUpTimedOut"
	eventNotRemoved   = "ScaleDownFailed"
	eventGhostGone    = "DeleteUnregistered"
	eventGhostStays   = "DeleteUnregisteredFailed"
)

// maxPodEvents bounds the events of one look: at 60,000 pending pods the events
// would be the load. Pods beyond it get theirs in a later look.
const maxPodEvents = 200

func (l *Loop) say(about, related runtime.Object, kind, reason, action, note string) {
	if pod, ok := about.(*corev1.Pod); ok && buffer.Owner(pod) != "" {
		return // there is no such object to say anything about
	}
	if l.Events != nil {
		l.Events.Eventf(about, related, kind, reason, action, "%s", note)
	}
}

func (l *Loop) sayGrowth(g Grow) {
	most := 0
	if g.pool.ScaleSpec() != nil {
		most = int(g.pool.ScaleSpec().MaxSize)
	}
	l.say(g.pool.Object, nil, corev1.EventTypeNormal, eventGroup, "ScaleUp",
		fmt.Sprintf("scale-up: group %s size set to %d instead of %d (max: %d)", g.Pool, g.To, g.From, most))
	for i, pod := range g.pods {
		if i == maxPodEvents {
			break
		}
		l.say(pod, g.pool.Object, corev1.EventTypeNormal, eventTriggered, "ScaleUp",
			fmt.Sprintf("pod triggered scale-up: [{%s %d->%d (max: %d)}]", g.Pool, g.From, g.To, most))
	}
}

func (l *Loop) sayFailed(p *v1alpha1.Pool, note string) {
	l.say(p, nil, corev1.EventTypeWarning, eventFailed, "ScaleUp", note)
}

func (l *Loop) sayRemoval(r Removal) {
	reason := eventRemoved
	if r.Reason == Empty {
		reason = eventRemovedEmpty
	}
	l.say(r.node.Object, nil, corev1.EventTypeNormal, reason, "ScaleDown", r.String())
}

// sayNotRemoved tells that a node that was chosen could not be marked. The next
// look tries again, and what is wrong for longer is one event that was counted.
func (l *Loop) sayNotRemoved(r Removal, err error) {
	l.say(r.node.Object, nil, corev1.EventTypeWarning, eventNotRemoved, "ScaleDown", "could not be marked to leave: "+oneLine(err.Error()))
}

// sayUnhelped tells each pod once why it is not helped, and again when the
// reasons change. Words within a reason may change from look to look and are no
// news.
func (l *Loop) sayUnhelped(plan Plan) {
	told := map[types.UID]string{}
	said := 0
	for _, v := range plan.Verdicts {
		if !v.news() {
			continue
		}
		key := v.key()
		if l.told[v.pod.UID] != key {
			if said++; said > maxPodEvents {
				continue
			}
			l.say(v.pod, nil, corev1.EventTypeNormal, eventNotTriggered, "ScaleUp",
				oneLine(because("pod didn't trigger scale-up: "+string(v.Reason), v.why())))
		}
		told[v.pod.UID] = key
	}
	l.told = told
}

// news is whether the verdict is worth an event: pods that are somebody else's
// or in good hands are not, nor are all pods of a cluster that does not scale.
func (v Verdict) news() bool {
	if v.Help != HelpNone {
		return false
	}
	switch v.Reason {
	case PodGated, OtherScheduler, DaemonSetPod, Preempting, NoPool:
		return false
	}
	return true
}

func (v Verdict) key() string {
	key := string(v.Reason)
	for _, p := range v.Pools {
		key += "," + p.Pool + "=" + string(p.Reason)
	}
	return key
}

// sayPools tells each Pool once that a limit or the fuse keeps it from growing.
func (l *Loop) sayPools(plan Plan) {
	told := map[string]Reason{}
	for _, v := range plan.Pools {
		event := ""
		switch {
		case v.Reason == ClusterAtMaxNodes:
			event = eventMaxNodes
		case v.Reason == Runaway:
			event = eventRunaway
		case skippedFor[v.Reason] != "":
			event = eventLimit
		}
		if event == "" || v.pool.Object == nil {
			continue
		}
		told[v.Pool] = v.Reason
		if l.toldPools[v.Pool] != v.Reason {
			l.say(v.pool.Object, nil, corev1.EventTypeWarning, event, "ScaleUp", oneLine(v.String()))
		}
	}
	l.toldPools = told
	if now := braked(plan); now != l.toldBrake {
		l.toldBrake = now
		for _, v := range plan.Pools {
			if now && v.pool.Object != nil && v.Reason != ScaleOff {
				l.say(v.pool.Object, nil, corev1.EventTypeWarning, eventUnhealthy, "ScaleDown", "so many nodes are broken or lost that nothing is let go")
			}
		}
	}
}
