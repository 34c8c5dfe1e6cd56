package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/okesim"
)

// What the author of a Pool may ask for beyond sizes and budgets: how a drain ends that
// does not come to its end, how a node is renewed, who goes first. Half of the pools
// have one such wish or two; each is a line of the CRD's, with times that fit into a
// history.

// taste is one wish. Those about cycling, scaling and repair are for pools that have it.
type taste struct {
	name string
	wish func(*v1alpha1.PoolSpec)
}

func about[T any](part func(*v1alpha1.PoolSpec) *T, wish func(*T)) func(*v1alpha1.PoolSpec) {
	return func(s *v1alpha1.PoolSpec) {
		if p := part(s); p != nil {
			wish(p)
		}
	}
}

func cycling(wish func(*v1alpha1.CycleSpec)) func(*v1alpha1.PoolSpec) {
	return about(func(s *v1alpha1.PoolSpec) *v1alpha1.CycleSpec { return s.Cycle }, wish)
}

func scaling(wish func(*v1alpha1.ScaleSpec)) func(*v1alpha1.PoolSpec) {
	return about(func(s *v1alpha1.PoolSpec) *v1alpha1.ScaleSpec { return s.Scale }, wish)
}

func repairing(wish func(*v1alpha1.RepairSpec)) func(*v1alpha1.PoolSpec) {
	return about(func(s *v1alpha1.PoolSpec) *v1alpha1.RepairSpec { return s.Repair }, wish)
}

func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

func some[T any](v T) *T { return &v }

var tastes = []taste{
	{"Force", cycling(func(s *v1alpha1.CycleSpec) { s.Drain.OnTimeout = v1alpha1.DrainForce })},
	{"Force, later", cycling(func(s *v1alpha1.CycleSpec) {
		s.Drain.OnTimeout, s.Drain.ForceAfter = v1alpha1.DrainForce, minutes(2)
	})},
	{"Quarantine", cycling(func(s *v1alpha1.CycleSpec) { s.Drain.OnTimeout = v1alpha1.DrainQuarantine })},
	{"Pause", cycling(func(s *v1alpha1.CycleSpec) { s.Drain.OnTimeout = v1alpha1.DrainPause })},
	{"jobs may complete", cycling(func(s *v1alpha1.CycleSpec) { s.Drain.WaitForJobs = minutes(2) })},
	{"DaemonSets are evicted", cycling(func(s *v1alpha1.CycleSpec) { s.Drain.DaemonSets = v1alpha1.DaemonSetsEvict })},
	{"InPlace", cycling(func(s *v1alpha1.CycleSpec) { s.Strategy = v1alpha1.StrategyInPlace })},
	{"canary", cycling(func(s *v1alpha1.CycleSpec) { s.Canary = &v1alpha1.CanarySpec{Count: some[int32](1), Soak: minutes(1)} })},
	{"ramp", cycling(func(s *v1alpha1.CycleSpec) { s.Ramp = &v1alpha1.RampSpec{Initial: some[int32](1)} })},
	{"zone by zone", cycling(func(s *v1alpha1.CycleSpec) { s.Order = v1alpha1.OrderZone })},
	{"one drain at a time", cycling(func(s *v1alpha1.CycleSpec) { s.MaxParallelDrains = some[int32](1) })},
	{"one may refuse", cycling(func(s *v1alpha1.CycleSpec) { s.MaxBlocked = some[int32](1) })},
	{"one may fail", cycling(func(s *v1alpha1.CycleSpec) { s.MaxFailed = some[int32](1) })},
	{"a window that opens late", cycling(func(s *v1alpha1.CycleSpec) {
		s.Windows = []v1alpha1.CycleWindow{{Schedule: "5 0 * * *", Duration: metav1.Duration{Duration: 20 * time.Hour}}}
	})},
	{"fallback: one goes first", cycling(func(s *v1alpha1.CycleSpec) { s.Fallback = &v1alpha1.FallbackSpec{Unavailable: true} })},
	{"fallback: boot volumes", cycling(func(s *v1alpha1.CycleSpec) {
		// With one node of surge the first launch that fails leads there.
		s.Fallback, s.MaxSurge = &v1alpha1.FallbackSpec{BootVolume: true}, some(intstr.FromInt32(1))
	})},
	{"the doctor is asked", cycling(func(s *v1alpha1.CycleSpec) {
		s.Gates = []v1alpha1.CycleGate{{Name: "well", Doctor: &v1alpha1.DoctorGate{}}}
	})},
	{"Auto", cycling(func(s *v1alpha1.CycleSpec) { s.Mode = v1alpha1.CycleAuto })},
	{"Consolidate", scaling(func(s *v1alpha1.ScaleSpec) { s.Down.Consolidate = true })},
	{"room for a zone", scaling(func(s *v1alpha1.ScaleSpec) { s.ZoneLossHeadroom = true })},
	{"limit of cores", limited(func(l *v1alpha1.ScaleLimits, nodes int64) { l.Cores = some(nodes*nodeCores + 1) })},
	{"limit of memory", limited(func(l *v1alpha1.ScaleLimits, nodes int64) {
		l.Memory = resource.NewQuantity(nodes*nodeMemory+1<<30, resource.BinarySI)
	})},
	{"limit of spending", limited(func(l *v1alpha1.ScaleLimits, nodes int64) {
		l.SpendPerHour = resource.NewMilliQuantity(nodes*nodePrice+1, resource.DecimalSI)
	})},
	{dearer, scaling(func(s *v1alpha1.ScaleSpec) { s.Down.Consolidate = true })},
	{"replaced at once", repairing(func(s *v1alpha1.RepairSpec) { s.Actions = []v1alpha1.RepairAction{v1alpha1.ActionReplace} })},
	{"two repairs at once", repairing(func(s *v1alpha1.RepairSpec) { s.MaxParallel = some[int32](2) })},
	{"somebody approves", cycling(func(s *v1alpha1.CycleSpec) {
		s.Gates = []v1alpha1.CycleGate{{Name: "go", Approval: &v1alpha1.ApprovalGate{}}}
	})},
	{"somebody approves after the canary", cycling(func(s *v1alpha1.CycleSpec) {
		s.Canary = &v1alpha1.CanarySpec{Count: some[int32](1), Soak: minutes(1)}
		s.Gates = []v1alpha1.CycleGate{{Name: "go-on", AfterCanary: true, Approval: &v1alpha1.ApprovalGate{}}}
	})},
	{"servers are asked", cycling(func(s *v1alpha1.CycleSpec) {
		s.Gates = []v1alpha1.CycleGate{{Name: "answers", HTTP: &v1alpha1.HTTPGate{URL: "http://shop.model/healthz", Body: "^open"}},
			{Name: "no-alerts", Prometheus: &v1alpha1.PrometheusGate{URL: "http://prometheus.model", Query: "up"}}}
	})},
	{"BootVolume", cycling(func(s *v1alpha1.CycleSpec) { s.Strategy = v1alpha1.StrategyBootVolume })},
	{"BlueGreen", cycling(func(s *v1alpha1.CycleSpec) {
		s.Strategy, s.BlueGreen = v1alpha1.StrategyBlueGreen, &v1alpha1.BlueGreenSpec{Soak: minutes(2)}
	})},
	{"Delegate", cycling(func(s *v1alpha1.CycleSpec) { s.Strategy = v1alpha1.StrategyDelegate })},
	{"a pod holds it up", cycling(func(s *v1alpha1.CycleSpec) {
		s.Gates = []v1alpha1.CycleGate{{Name: "no-backup", Pods: &v1alpha1.PodsGate{Namespace: "default", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"app": backup.name}}}}}
	})},
}

// drawTastes has each pool's author wish for something. Eight numbers at most.
func (w *World) drawTastes() {
	for _, id := range w.pools {
		p := w.poolObject(id)
		if p == nil {
			continue
		}
		if w.opt.Wish != "" {
			for name := range strings.SplitSeq(w.opt.Wish, "+") {
				w.wishFor(p, indexOf(name))
			}
			continue
		}
		if !w.tape.Chance(500) {
			continue
		}
		w.wishFor(p, w.tape.Pick(len(tastes)))
		if w.tape.Chance(300) {
			w.wishFor(p, w.tape.Pick(len(tastes)))
		}
	}
}

// renewImages has who wants OKE to turn pools over give them a newer image in the
// console: OKE renews the nodes that differ, and without any it would not be asked.
func (w *World) renewImages() error {
	for _, id := range w.pools {
		p := w.poolObject(id)
		if p == nil || p.Spec.Cycle == nil || p.Spec.Cycle.Strategy != v1alpha1.StrategyDelegate {
			continue
		}
		v, err := w.cloud.Pool(id)
		if err != nil {
			return fmt.Errorf("read pool %s: %w", p.Name, err)
		}
		image, err := w.cloud.NewestImage(v.KubernetesVersion, v.Shape)
		if err != nil {
			return fmt.Errorf("find an image for pool %s: %w", p.Name, err)
		}
		if _, err := w.cloud.UpdatePool(id, okesim.PoolUpdate{ImageID: &image.ID}, ""); err != nil {
			return fmt.Errorf("give pool %s a newer image: %w", p.Name, err)
		}
		w.note("pool %s gets image %s", p.Name, image.Name)
		w.meddlers[id] = !w.opt.Gentle && w.tape.Chance(500)
	}
	return nil
}

func indexOf(wish string) int {
	return slices.IndexFunc(tastes, func(t taste) bool { return t.name == wish })
}

// checkWish says of a wish that there is none such. Several have a plus between them.
func checkWish(all string) error {
	name := ""
	for one := range strings.SplitSeq(all, "+") {
		if one != "" && indexOf(one) < 0 {
			name = one
		}
	}
	if name == "" {
		return nil
	}
	var names []string
	for _, t := range tastes {
		names = append(names, fmt.Sprintf("%q", t.name))
	}
	return fmt.Errorf("nobody wishes for %q: choose one of %s", name, strings.Join(names, ", "))
}

func (w *World) wishFor(p *v1alpha1.Pool, which int) {
	t := tastes[which]
	if t.name == dearer {
		w.makeDear(p.Spec.NodePoolID)
	}
	w.note("pool %s: %s", p.Name, t.name)
	w.tastes = append(w.tastes, p.Name+": "+t.name)
	w.api.Edit(p, func(o client.Object) { t.wish(&o.(*v1alpha1.Pool).Spec) })
	w.remember(w.poolObject(p.Spec.NodePoolID))
}

// wished is what was wished for, for whoever reads of a broken promise.
func (w *World) wished() string {
	if len(w.tastes) == 0 {
		return ""
	}
	return " (" + strings.Join(w.tastes, ", ") + ")"
}
