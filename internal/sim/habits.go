package sim

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A habit is what the pods of an app ask of where they run, beyond cores and memory. A
// history has one or none.
type habit struct {
	name string
	app  string
	// replicas are how many there are at least, so that it matters.
	replicas int
	ask      func(*corev1.PodSpec, metav1.LabelSelector)
	// suits is whether the node is one that the pod asks for.
	suits func(app string, r *room) bool
	// disk is whether each pod has a block volume, see disks.go.
	disk bool
}

var habits = []habit{
	{"no two of cache share a node", "cache", 4, func(s *corev1.PodSpec, own metav1.LabelSelector) {
		s.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: &own, TopologyKey: corev1.LabelHostname}}}}
	}, func(app string, r *room) bool { return r.mates[app] == 0 }, false},
	{"web is spread over the zones", "web", 0, func(s *corev1.PodSpec, own metav1.LabelSelector) {
		s.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelTopologyZone, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &own}}
	}, func(app string, r *room) bool { return r.zone() != "" && r.all.skew(app, r.zone()) <= 1 }, false},
	{"cache keeps its disks", "cache", 3, func(*corev1.PodSpec, metav1.LabelSelector) {}, func(_ string, r *room) bool { return r.zone() != "" }, true},
}

// checkHabit says of a habit that there is none such.
func checkHabit(name string) error {
	if name == "" || habitNamed(name) >= 0 {
		return nil
	}
	var names []string
	for _, h := range habits {
		names = append(names, fmt.Sprintf("%q", h.name))
	}
	return fmt.Errorf("no pods ask for %q: choose one of %s", name, strings.Join(names, ", "))
}

func habitNamed(name string) int {
	return slices.IndexFunc(habits, func(h habit) bool { return h.name == name })
}

// drawHabits gives the pods of one app a habit. It comes before there are any.
func (w *World) drawHabits() {
	which := w.tape.Pick(4+len(habits)) - 4
	if w.opt.Habit != "" {
		which = habitNamed(w.opt.Habit)
	}
	if which < 0 {
		return
	}
	h := &habits[which]
	w.note("pods: %s", h.name)
	w.tastes = append(w.tastes, h.name)
	if h.disk {
		w.makeClass()
	}
	for _, a := range w.apps {
		if a.name == h.app {
			a.habit = h
			a.replicas = max(a.replicas, h.replicas)
			a.usual = a.replicas
		}
	}
}

// census is where the pods of each app are, for the scheduler.
type census struct {
	zones  map[string]bool           // those with a node
	living map[string]map[string]int // app, zone: pods that are not on their way out
}

// skew is by how many pods of the app the zone would have more than the zone with the
// fewest, if it got one.
func (c *census) skew(app, zone string) int {
	least := 1 << 30
	for z := range c.zones {
		least = min(least, c.living[app][z])
	}
	return c.living[app][zone] + 1 - least
}

func (c *census) count(app, zone string, by int) {
	if c.living[app] == nil {
		c.living[app] = map[string]int{}
	}
	c.living[app][zone] += by
}

func (r *room) zone() string { return r.node.Labels[corev1.LabelTopologyZone] }

// suits is whether a node is one that the pod asks for.
func (w *World) suits(p *corev1.Pod, r *room) bool {
	name := p.Labels["app"]
	for _, a := range w.apps {
		if a.name == name && a.habit != nil {
			zone := w.diskZone(claimOf(p))
			return a.habit.suits(name, r) && (zone == "" || zone == r.zone())
		}
	}
	return len(p.Spec.Volumes) == 0 // a claim that nobody can bind
}
