package sim

import (
	"fmt"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// picture is the world as it was when a promise was broken, for whoever reads the
// story: each pool with its run and its conditions, each machine with its Node, and
// the pods that have no node.
func (w *World) picture() string {
	var b strings.Builder
	for _, id := range w.pools {
		w.drawPool(&b, id)
	}
	waiting := 0
	w.api.Each("pods", func(o client.Object) {
		if o.(*corev1.Pod).Spec.NodeName == "" {
			waiting++
		}
	})
	fmt.Fprintf(&b, "%d pods wait for a node\n", waiting)
	rooms, pending := w.rooms()
	for _, r := range rooms {
		fmt.Fprintf(&b, "  room: %s in %s, %dm, %d MiB, pods %v\n", r.node.Name, r.zone(), r.cpu, r.mem>>20, r.mates)
	}
	for _, p := range pending {
		fmt.Fprintf(&b, "  waits: %s %s, %v\n", p.Name, w.diskZone(claimOf(p)), p.Status.Conditions)
	}
	return b.String()
}

func (w *World) drawPool(b *strings.Builder, id string) {
	v, err := w.cloud.Pool(id)
	p := w.poolObject(id)
	if err != nil || p == nil {
		fmt.Fprintf(b, "pool %s: gone (%v)\n", id, err)
		return
	}
	fmt.Fprintf(b, "pool %s: size %d", p.Name, v.Size)
	if c := p.Spec.Cycle; c != nil {
		fmt.Fprintf(b, ", surge %s, unavailable %s", c.MaxSurge, c.MaxUnavailable)
	}
	if s := p.Spec.Scale; s != nil {
		fmt.Fprintf(b, ", scale %d to %d", s.MinSize, s.MaxSize)
	}
	if at, ok := w.books.paused[id]; ok {
		fmt.Fprintf(b, ", paused since %s", at.Sub(w.began).Round(time.Second))
	}
	if run := p.Status.Cycle; run != nil {
		fmt.Fprintf(b, "\n  run %s: desired %d, replaced %d, stale %d", run.Request, run.Desired, run.Replaced, run.Stale)
		for _, n := range run.Blocked {
			fmt.Fprintf(b, "\n    blocked: %s %s: %s", n.Node, n.Reason, n.Message)
		}
	}
	fmt.Fprintf(b, "\n  %s\n", conditions(p))
	for _, n := range v.Nodes {
		fmt.Fprintf(b, "  %-14s %-9s %s%s\n", n.PrivateIP, n.State, w.drawNode(n.PrivateIP), w.drawMachine(n.ID))
	}
}

func (w *World) drawMachine(id string) string {
	switch k := w.kubelets[id]; {
	case k == nil:
		return " (no machine)"
	case k.removed:
		return " (machine gone)"
	case k.dead:
		return " (kubelet dead)"
	case k.sick:
		return " (kubelet sick)"
	case !k.up:
		return " (machine down)"
	}
	return ""
}

func (w *World) drawNode(name string) string {
	n, ok := w.api.Find("nodes", "", name).(*corev1.Node)
	if !ok {
		return "no Node"
	}
	var words []string
	if !nodeReady(n) {
		words = append(words, "NotReady")
	}
	if nodeReady(n) && !w.works(n) {
		words = append(words, "fails a check")
	}
	if n.Spec.Unschedulable {
		words = append(words, "cordoned")
	}
	if w.books.cordoned[string(n.UID)] {
		words = append(words, "by a person")
	}
	for _, t := range n.Spec.Taints {
		words = append(words, "taint "+t.Key)
	}
	for key, value := range n.Annotations {
		if strings.Contains(key, "tidemill.dev/") && key != v1alpha1.AnnotationNodePoolID {
			words = append(words, key+"="+value)
		}
	}
	sort.Strings(words)
	pods := 0
	w.api.Each("pods", func(o client.Object) {
		if o.(*corev1.Pod).Spec.NodeName == name {
			pods++
		}
	})
	if mark, err := kube.MarkOf(n); err == nil && mark != nil {
		words = append(words, "marked "+string(mark.Cause))
	}
	return fmt.Sprintf("%d pods %s", pods, strings.Join(words, ", "))
}
