package cycle

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// figures prints what bench asks for; the tests take the minutes that they need
// only then.
var figures = flag.Int("figures", 0, "measure a run of a pool of so many nodes, and print figures")

// fleet is a pool of many nodes at 12 minutes a node: four until it has joined,
// five to leave, three to be deleted. With stragglers one pod in a hundred nodes
// needs an hour.
func fleet(t *testing.T, size, parallel int, stragglers bool) *simulation {
	percent, many := intstr.FromInt32(int32(parallel)), int32(parallel)
	set := setting{size: size, pods: size, zones: 3, surge: percent, unavailable: intstr.FromInt32(0),
		spec: func(s *v1alpha1.CycleSpec) { s.MaxParallelDrains = &many }}
	s := newSimulation(t, set)
	s.town.watch = nil // the promises are tested elsewhere; here they would cost an hour
	for key, p := range s.town.pods {
		if stragglers && s.straggles(p) {
			slow, hour := p.DeepCopy(), int64(3600)
			slow.Spec.TerminationGracePeriodSeconds = &hour
			s.town.pods[key] = slow
		}
	}
	s.town.linger = func(p *corev1.Pod) time.Duration {
		if p.Spec.TerminationGracePeriodSeconds != nil {
			return time.Hour
		}
		return 4*time.Minute + 40*time.Second // and a look or two
	}
	s.cloud.SetLatency(fake.Latency{Launch: 2 * time.Minute, Boot: 100 * time.Second, Delete: 3 * time.Minute})
	return s
}

// straggles is whether the pod was on one in a hundred of the old nodes.
func (s *simulation) straggles(p *corev1.Pod) bool {
	n := s.town.nodes[p.Spec.NodeName]
	return n != nil && n.Status.NodeInfo.KubeletVersion == oldRelease.Kubernetes && n.Name[len(n.Name)-2:] == "50"
}

func TestFigures(t *testing.T) {
	size, parallel := 60, 6
	if *figures > 0 {
		size, parallel = *figures, max(*figures/20, 1)
	}
	for name, stragglers := range map[string]bool{"punctual": false, "stragglers": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { measure(t, size, parallel, stragglers) })
		})
	}
}

func measure(t *testing.T, size, parallel int, stragglers bool) {
	s := fleet(t, size, parallel, stragglers)
	writes, looks, spent, largest := len(s.writes()), 0, time.Duration(0), 0
	s.ask(v1alpha1.AnnotationUpgradeTo, "v1.34.1")
	began := time.Now()
	for !s.ended(upgradeRequest) {
		if time.Since(began) > 24*time.Hour {
			t.Fatalf("not done after a day:\n%s", s.last[:min(len(s.last), 2000)])
		}
		largest = max(largest, s.bytes())
		if looks++; looks%10 == 0 {
			spent += s.decide()
		}
		s.tick()
	}
	hours := time.Since(began).Hours()
	perNode := float64(len(s.writes())-writes) / float64(size)
	bound := float64(size) / float64(parallel) * 12 / 60
	fmt.Fprintf(t.Output(), "figure virtual_hours %.2f h\n", hours)
	fmt.Fprintf(t.Output(), "figure pipelined_bound %.2f h\n", bound)
	fmt.Fprintf(t.Output(), "figure oci_writes_per_node %.2f count\n", perNode)
	fmt.Fprintf(t.Output(), "figure pool_bytes %d B\n", largest)
	fmt.Fprintf(t.Output(), "figure decide %.2f ms\n", spent.Seconds()*1000/float64(looks/10))
	limit := bound * 1.10
	if *figures == 0 {
		limit += 0.8 // a small pool has few waves, and one straggler is much of it
	}
	if hours > limit || perNode > 2 || largest > 64<<10 {
		t.Errorf("%.2f hours with a bound of %.2f, %.2f writes a node, %d bytes", hours, bound, perNode, largest)
	}
}

// decide is how long a decision takes on the machine's own clock.
func (s *simulation) decide() time.Duration {
	snapshot, err := s.loop.Observer.Observe(s.t.(*testing.T).Context())
	if err != nil {
		s.t.Fatalf("observe: %v", err)
	}
	before := now()
	Decide(snapshot, s.loop.Policy)
	return now() - before
}

// The Pool of the largest pool stays a small object, however many nodes wait and
// whatever their reasons say.
func TestPoolStaysSmall(t *testing.T) {
	report := Report{Pool: "workers", Cycle: &v1alpha1.CycleStatus{Request: "tidemill.dev/upgrade-to=v1.34.1"}, object: &v1alpha1.Pool{}}
	long := string(slices.Repeat([]byte("x"), 4000))
	for i := range 2000 {
		report.Blocked = append(report.Blocked, Blocked{fmt.Sprintf("node-%d", i), DrainBlocked, long})
	}
	report.Wait = &Wait{GateClosed, long}
	for i := range 100 {
		report.Cycle.FailedJoins = append(report.Cycle.FailedJoins, fmt.Sprintf("ocid1.instance.oc1.eu-frankfurt-1.%060d", i))
	}
	part := statusOf(report)
	pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers", UID: types.UID("u")}}
	pool.Status.Cycle, pool.Status.Conditions = part.Cycle, part.Conditions
	if n := bytesOf(pool); n > 64<<10 {
		t.Errorf("the Pool has %d bytes", n)
	}
}

// now is the machine's own clock, which no bubble turns.
func now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
