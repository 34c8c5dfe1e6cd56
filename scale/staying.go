package scale

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// eventStays is told of a node that little runs on and that something keeps
// which a person can change.
const eventStays = "ScaleDownBlocked"

// maxNodeEvents bounds the events about nodes of one look.
const maxNodeEvents = 20

// blocking are the reasons that are told: the cluster could do without the node,
// and a person's word on a pod or a budget stands against it. That a node is
// needed is no news, nor that it is not its time yet.
var blocking = map[Reason]bool{
	MinReplicasReached: true, OnCompletion: true, NotReplicated: true, NotSafeToEvict: true, SystemPod: true, LocalStorage: true, DoNotDisrupt: true,
	PDBConflict: true, PDBExhausted: true, DynamicResources: true,
}

// telling is when something was last said of an object, and how often.
type telling struct {
	key   string
	at    time.Time
	times int
}

// How long is waited before the same is said again, doubled each time, and
// before something else is said of the same object: reasons that take turns are
// not told at every look.
const (
	sayAgainFirst = time.Hour
	sayAgainMax   = 24 * time.Hour
	sayElse       = 10 * time.Minute
)

// due is whether key is to be said now.
func (t telling) due(key string, now time.Time) bool {
	switch {
	case t.times == 0:
		return true
	case key != t.key:
		return now.Sub(t.at) >= sayElse
	}
	wait := sayAgainFirst
	for i := 1; i < t.times && wait < sayAgainMax; i++ {
		wait *= 2
	}
	return now.Sub(t.at) >= min(wait, sayAgainMax)
}

// said is the telling after key was said at now.
func (t telling) said(key string, now time.Time) telling {
	if key != t.key {
		t.times = 0
	}
	return telling{key, now, t.times + 1}
}

// sayStaying tells what keeps nodes that could go: once, then ever more seldom
// while it stays so.
func (l *Loop) sayStaying(plan Plan) {
	told := map[types.UID]telling{}
	said := 0
	for _, v := range plan.Nodes {
		if !blocking[v.Reason] || v.node == nil || v.node.Object == nil {
			continue
		}
		uid, key := v.node.Object.UID, string(v.Reason)
		t := l.toldNodes[uid]
		if t.due(key, plan.Now) && said < maxNodeEvents {
			said++
			l.say(v.node.Object, nil, corev1.EventTypeNormal, eventStays, "ScaleDown", oneLine(v.String()))
			t = t.said(key, plan.Now)
		}
		told[uid] = t
	}
	l.toldNodes = told
}
