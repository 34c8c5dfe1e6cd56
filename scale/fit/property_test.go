package fit_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/internal/world/worldtest"
	"github.com/tidemill/tidemill/scale/fit"
)

// shapes are pods of every kind that keeps state in the cluster: plain ones,
// ones that share a class, ports, affinity, spread, claims.
func shapes() []podOpt {
	self := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	web := worldtest.Labels[*corev1.Pod]("app", "web")
	return []podOpt{
		worldtest.OwnedBy("ReplicaSet", "plain"),
		port(80),
		func(p *corev1.Pod) { web(p); anti(self)(p) },
		web,
		affine(self),
		claim("once"),
		func(p *corev1.Pod) {
			web(p)
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: self,
			}}
		},
	}
}

// answers is what the cluster says about every probe on every node.
func answers(c *fit.Cluster, probes []*corev1.Pod, nodes int) string {
	s := ""
	for _, p := range probes {
		for i := range nodes {
			why, ok := c.Fits(p, fmt.Sprintf("n%d", i))
			s += fmt.Sprintln(p.Name, i, ok, why)
		}
	}
	return s
}

// TestRevertGivesBackEveryAnswer changes a cluster at random inside nested
// forks; after Revert it answers as before, and as a cluster built afresh, which
// has no journal and no memory, does.
func TestRevertGivesBackEveryAnswer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const nodes = 4
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi")
		for i := range nodes {
			w.AddNode("workers", fmt.Sprintf("n%d", i))
		}
		storage(w)
		opts := shapes()
		var pods []*corev1.Pod
		for i := range 10 {
			bound := noop
			if i < 4 {
				bound = worldtest.On(fmt.Sprintf("n%d", rapid.IntRange(0, nodes-1).Draw(rt, "on")))
			}
			w.AddPod(fmt.Sprintf("p%d", i), rapid.SampledFrom([]string{"500m", "1", "2"}).Draw(rt, "cpu"), "1Gi",
				rapid.SampledFrom(opts).Draw(rt, "shape"), bound)
		}
		s := w.Snapshot()
		pods = append(pods, s.Pending...)
		c, fresh := fill(t, s), fill(t, s)
		before := answers(c, pods, nodes)

		depth := rapid.IntRange(1, 3).Draw(rt, "depth")
		placed := map[*corev1.Pod]string{}
		for range depth {
			c.Fork()
			for range rapid.IntRange(0, 6).Draw(rt, "changes") {
				change(rt, c, pods, placed, nodes)
			}
			answers(c, pods, nodes) // fills the memory with what must not outlive it
		}
		for range depth {
			c.Revert()
		}
		if got := answers(c, pods, nodes); got != before {
			rt.Fatalf("after Revert:\n%s\nbefore:\n%s", got, before)
		}
		if got := answers(fresh, pods, nodes); got != before {
			rt.Fatalf("fresh cluster:\n%s\nused one:\n%s", got, before)
		}
	})
}

func change(rt *rapid.T, c *fit.Cluster, pods []*corev1.Pod, placed map[*corev1.Pod]string, nodes int) {
	node := fmt.Sprintf("n%d", rapid.IntRange(0, nodes-1).Draw(rt, "node"))
	pod := rapid.SampledFrom(pods).Draw(rt, "pod")
	switch rapid.SampledFrom([]string{"add", "add", "take", "remove", "new"}).Draw(rt, "change") {
	case "add":
		if placed[pod] == "" && c.AddPod(pod, node) == nil {
			placed[pod] = node
		}
	case "take":
		if c.RemovePod(pod, placed[pod]) == nil {
			placed[pod] = ""
		}
	case "remove":
		c.RemoveNode(node)
	case "new":
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("x%d", rapid.IntRange(0, 2).Draw(rt, "name"))}}
		_ = c.AddNode(n) // a second of one name is refused and changes nothing
	}
}

// TestMemoryChangesNoAnswer places replicas of one class until nothing fits: a
// cluster that remembers says the same as one that is asked for the first time.
func TestMemoryChangesNoAnswer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi")
		var names []string
		for i := range rapid.IntRange(1, 5).Draw(rt, "nodes") {
			names = append(names, w.AddNode("workers", fmt.Sprintf("n%d", i)).Name)
		}
		for i := range rapid.IntRange(1, 30).Draw(rt, "pods") {
			size := rapid.SampledFrom([]string{"500m", "1", "3"}).Draw(rt, "cpu")
			w.AddPod(fmt.Sprintf("p%02d", i), size, "1Gi", worldtest.OwnedBy("ReplicaSet", "web"))
		}
		s := w.Snapshot()
		c := fill(t, s)
		where := map[string]string{}
		for _, p := range s.Pending {
			// The slow twin has seen none of it before.
			twin := fill(t, s)
			for _, q := range s.Pending {
				if node := where[q.Name]; node != "" {
					if err := twin.AddPod(q, node); err != nil {
						rt.Fatal(err)
					}
				}
			}
			want, _ := twin.Schedule(p, names)
			got, why := c.Schedule(p, names)
			if got != want {
				rt.Fatalf("pod %s goes to %q (%v), the twin says %q", p.Name, got, why, want)
			}
			where[p.Name] = got
		}
	})
}
