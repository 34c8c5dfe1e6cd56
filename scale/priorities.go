package scale

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/scale/choose"
)

// Reasons of events about the priority expander's ConfigMap, as
// cluster-autoscaler has them.
const (
	eventPrioritiesMissing = "PriorityConfigMapNotFound"
	eventPrioritiesInvalid = "PriorityConfigMapInvalid"
)

// readPriorities reads the rules of the priority expander, if that is asked for.
// Rules that cannot be read change nothing: the last good ones stay, and people
// are told by an event, the log, and a metric.
func (l *Loop) readPriorities(ctx context.Context) {
	if l.Live == nil || !l.Policy.byPriority() {
		return
	}
	var cm corev1.ConfigMap
	key := prioritiesKey(l.ConfigNamespace)
	err := l.Live.Get(ctx, key, &cm)
	switch {
	case apierrors.IsNotFound(err):
		cm.Namespace, cm.Name = key.Namespace, key.Name
		l.badPriorities(&cm, eventPrioritiesMissing, fmt.Errorf("read priorities: there is no ConfigMap %s", key))
		return
	case err != nil:
		l.Log.Warn("read priorities", "verb", "scale", "error", err)
		return
	case cm.ResourceVersion != "" && cm.ResourceVersion == l.prioritiesVersion:
		return
	}
	l.prioritiesVersion = cm.ResourceVersion
	rules, err := rulesOf(&cm)
	if err != nil {
		l.badPriorities(&cm, eventPrioritiesInvalid, err)
		return
	}
	l.Policy.Priorities, l.prioritiesError = rules, ""
	l.metrics.prioritiesInvalid.Set(0)
}

// byPriority is whether the priority expander has a say.
func (p Policy) byPriority() bool {
	return slices.Contains(strings.Split(strings.ReplaceAll(p.Expander, " ", ""), ","), "priority")
}

func prioritiesKey(namespace string) client.ObjectKey {
	return client.ObjectKey{Namespace: or(namespace, "kube-system"), Name: choose.PriorityConfigMap}
}

func rulesOf(cm *corev1.ConfigMap) (choose.Priorities, error) {
	text, ok := cm.Data[choose.PrioritiesKey]
	if !ok {
		return choose.Priorities{}, fmt.Errorf("read priorities: the ConfigMap has no key %q", choose.PrioritiesKey)
	}
	return choose.ParsePriorities(text)
}

func (l *Loop) badPriorities(cm *corev1.ConfigMap, reason string, err error) {
	l.metrics.prioritiesInvalid.Set(1)
	if l.prioritiesError == err.Error() {
		return // said already
	}
	l.prioritiesError = err.Error()
	note := err.Error() + "; the last good rules stay"
	if l.Policy.Priorities.Empty() {
		note = err.Error() + "; all pools are equal"
	}
	l.Log.Warn("read priorities", "verb", "scale", "error", note)
	l.say(cm, nil, corev1.EventTypeWarning, reason, "ReadPriorities", oneLine(note))
}
