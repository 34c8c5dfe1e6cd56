package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// happening is something that tidemill did, or saw, by its event; several nodes
// that it happened to within a few seconds are one.
type happening struct {
	At      time.Time
	What    string // "pool", "node"
	Name    string
	Count   int
	Reason  string
	Note    string
	Warning bool
}

func (h happening) String() string {
	name := h.Name
	if h.Count > 1 {
		name = fmt.Sprintf("%s (and %d more)", name, h.Count-1)
	}
	return fmt.Sprintf("%s  %s %s: %s: %s", h.At.Local().Format(time.TimeOnly), h.What, name, h.Reason, h.Note)
}

// together is how far apart events may be that are told as one.
const together = 10 * time.Second

// lately lists what tidemill did to pools and nodes, newest first. The API server
// filters: pods' events are the many, and are told under Waiting.
func lately(ctx context.Context, c client.Reader) ([]happening, error) {
	var out []happening
	for kind, what := range map[string]string{"Pool": "pool", "Node": "node"} {
		var list corev1.EventList
		// Objects without a namespace have their events in this one.
		err := c.List(ctx, &list, client.InNamespace(metav1.NamespaceDefault), client.MatchingFields{"reportingComponent": "tidemill", "involvedObject.kind": kind})
		if err != nil {
			return nil, fmt.Errorf("list events: %w", err)
		}
		for _, e := range list.Items {
			out = append(out, happening{At: eventTime(e), What: what, Name: e.InvolvedObject.Name, Count: 1, Reason: e.Reason, Note: e.Message, Warning: e.Type == corev1.EventTypeWarning})
		}
	}
	slices.SortFunc(out, func(a, b happening) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.What, b.What), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason))
	})
	return asOne(out), nil
}

// asOne makes one of what happened to several of a kind at about the same time.
func asOne(list []happening) []happening {
	var out []happening
	latest := map[[2]string]int{}
	for _, h := range list {
		key := [2]string{h.What, h.Reason}
		if i, ok := latest[key]; ok && out[i].At.Sub(h.At) <= together && out[i].Name != h.Name {
			out[i].Count++
			continue
		}
		latest[key] = len(out)
		out = append(out, h)
	}
	return out
}
