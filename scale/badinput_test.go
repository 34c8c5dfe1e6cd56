package scale

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

var requests3 = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3"), corev1.ResourceMemory: resource.MustParse("1Gi")}

// patienceWithNonsense is how long a look at bad input may take on a machine that has much
// else to do. On a quiet one none takes a second.
const patienceWithNonsense = 20 * time.Second

// memoryForNonsense is how many MiB such a look may need at any time. What it allocates in
// all says nothing where it ends by the clock: a quick machine makes more garbage.
const memoryForNonsense = 128

// TestNonsenseHasAReason: whatever one pod or pool says, it gets a reason and the
// pod beside it gets its node.
func TestNonsenseHasAReason(t *testing.T) {
	asking := func(name corev1.ResourceName, q string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Requests[name] = resource.MustParse(q) }
	}
	never := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "no such key", Operator: "Never"}}}
	for _, tt := range []struct {
		name string
		bad  func(w *worldtest.World)
		want string // in the plan
	}{
		{"more cores than any node has", pod(asking(corev1.ResourceCPU, "9000000000000000")), "bad is not helped: NoPoolFits"},
		// What is beyond 64 bits the scheduler reads as nothing, and so would place
		// the pod: its answer is the one that counts.
		{"more cores than there are numbers", pod(asking(corev1.ResourceCPU, "9223372036854775807")), "bad gets a new node"},
		{"memory beyond 64 bits", pod(asking(corev1.ResourceMemory, "1e30")), "bad gets a new node"},
		{"a billionth of a core", pod(asking(corev1.ResourceCPU, "1n")), "bad gets a new node"},
		{"a resource that nobody has", pod(asking("example.com/unicorn", "1")), "Insufficient example.com/unicorn"},
		{"a selector that matches nothing", pod(func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"moon": "full"} }), "bad is not helped: NoPoolFits"},
		{"an operator that is none", pod(func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "a", Operator: "Maybe"}}}},
			}}}
		}), "bad is not helped: NoPoolFits"},
		{"a selector of pods that does not parse", pod(func(p *corev1.Pod) {
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
				{LabelSelector: never, TopologyKey: corev1.LabelHostname},
			}}}
		}), "default/bad "},
		{"a spread by what no node has", pod(func(p *corev1.Pod) {
			p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: "rack", WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{},
			}}
		}), "bad is not helped: NoPoolFits"},
		{"2,000 terms of anti-affinity", pod(func(p *corev1.Pod) {
			a := &corev1.PodAntiAffinity{}
			for i := range 2000 {
				a.RequiredDuringSchedulingIgnoredDuringExecution = append(a.RequiredDuringSchedulingIgnoredDuringExecution, corev1.PodAffinityTerm{
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{fmt.Sprintf("key-%d", i): "x"}}, TopologyKey: corev1.LabelHostname,
				})
			}
			p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: a}
		}), "bad gets a new node"},
		{"10,000 terms of node affinity", pod(func(p *corev1.Pod) {
			s := &corev1.NodeSelector{}
			for i := range 10_000 {
				s.NodeSelectorTerms = append(s.NodeSelectorTerms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{
					{Key: fmt.Sprintf("key-%d", i), Operator: corev1.NodeSelectorOpIn, Values: []string{"x"}},
				}})
			}
			p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: s}}
		}), "bad is not helped: NoPoolFits"},
		{"a pool without a template", func(w *worldtest.World) { w.AddPool("bad", "4", "16Gi", worldtest.Scale(0, 5)).Placements = nil }, "pool bad cannot grow: NoPlacement"},
		{"a pool whose nodes have nothing", func(w *worldtest.World) {
			w.AddPool("bad", "4", "16Gi", worldtest.Scale(0, 5)).Placements[0].Template = corev1.Node{}
		}, "pool bad can grow"},
		{"less than no cores", pod(asking(corev1.ResourceCPU, "-4")), "default/bad "},
		{"fewer than no GPUs", pod(asking("nvidia.com/gpu", "-1")), "default/bad "},
		{"no container", pod(func(p *corev1.Pod) { p.Spec.Containers = nil }), "bad gets a new node"},
		{"a node with less than nothing", func(w *worldtest.World) {
			worldtest.On("n1")(w.AddPod("bad", "1", "1Gi", worldtest.OwnedBy("ReplicaSet", "bad")))
			n := w.AddNode("workers", "n1")
			n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("-8"), corev1.ResourcePods: resource.MustParse("-1")}
		}, "node n1 of pool workers"},
		{"a price that is no number", func(w *worldtest.World) {
			w.AddPool("bad", "4", "16Gi", worldtest.Scale(0, 5)).Placements[0].Price = math.NaN()
		}, "pool bad can grow"},
		{"a price without end", func(w *worldtest.World) {
			w.AddPool("bad", "4", "16Gi", worldtest.Scale(0, 5)).Placements[0].Price = math.Inf(1)
		}, "pool bad can grow"},
		{"limits below what is there", func(w *worldtest.World) {
			w.AddPool("bad", "4", "16Gi", worldtest.Scale(3, 5), func(p *v1alpha1.Pool) {
				p.Spec.Scale.Limits = &v1alpha1.ScaleLimits{Cores: new(int64(0)), Memory: new(resource.MustParse("-1")), SpendPerHour: new(resource.MustParse("-5"))}
			})
		}, "pool bad cannot grow: PoolAtMaxCores"},
		{"a claim on more devices than there are numbers", claiming(func(c *resourcev1.ResourceClaimSpec) { c.Devices.Requests[0].Exactly.Count = math.MaxInt64 }), "bad is not helped: NoPoolFits"},
		{"a claim on fewer devices than none", claiming(func(c *resourcev1.ResourceClaimSpec) { c.Devices.Requests[0].Exactly.Count = -1 }), "default/bad "},
		{"a claim that asks for nothing", claiming(func(c *resourcev1.ResourceClaimSpec) { c.Devices.Requests[0].Exactly = nil }), "bad is not helped: NoPoolFits"},
		{"a claim whose selector does not parse", claiming(func(c *resourcev1.ResourceClaimSpec) {
			c.Devices.Requests[0].Exactly.Selectors = []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: "device.("}}}
		}), "bad is not helped: NoPoolFits"},
		{"a claim that the allocator tries for ever", claiming(func(c *resourcev1.ResourceClaimSpec) {
			c.Devices.Requests[0].Exactly.Count = 16
			c.Devices.Requests = append(c.Devices.Requests, resourcev1.DeviceRequest{Name: "too", Exactly: &resourcev1.ExactDeviceRequest{
				DeviceClassName: "wire", AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1,
			}})
		}), "bad is not helped: NoPoolFits"},
		{"a claim of nobody", pod(func(p *corev1.Pod) { p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}} }), "bad is not helped: NoPoolFits"},
		{"a slice with two devices of one name", func(w *worldtest.World) {
			claiming(func(*resourcev1.ResourceClaimSpec) {})(w)
			devices := w.Objects.ResourceSlices[0].Spec.Devices
			devices[1].Name = devices[0].Name
		}, "bad is not helped: NoPoolFits"},
		{"a minimum above the maximum", func(w *worldtest.World) { w.AddPool("bad", "1", "1Gi", worldtest.Scale(7, 2)) }, "grow pool bad from 0 to 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := worldtest.New()
			w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 9))
			tt.bad(w)
			w.AddPod("good", "3", "1Gi", worldtest.OwnedBy("ReplicaSet", "good"))
			var plan Plan
			bounded(t, func() { plan = decide(t, w) })
			if text := plan.String(); !strings.Contains(text, tt.want) || !strings.Contains(text, "pod default/good gets a new node of pool") {
				t.Errorf("the plan does not say %q, or the good pod is not helped:\n%s", tt.want, text)
			}
		})
	}
}

// bounded checks what a look at bad input costs. The memory is what it allocates
// in all, most of which it has given back by the end.
func bounded(t *testing.T, look func()) {
	t.Helper()
	runtime.GC()
	before := heap()
	done, peak := make(chan bool), make(chan uint64)
	go func() {
		highest := before
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				highest = max(highest, heap())
			case <-done:
				tick.Stop()
				peak <- max(highest, heap())
				return
			}
		}
	}()
	begin := time.Now()
	look()
	close(done)
	if took := time.Since(begin); took > patienceWithNonsense {
		t.Errorf("it took %s", took)
	}
	if mib := (<-peak - before) >> 20; mib > memoryForNonsense {
		t.Errorf("it needed %d MiB", mib)
	}
}

// heap is what is allocated and not yet swept, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// claiming adds a pod with a claim that is bad in one way, and a full node n1 of
// the pool with 24 devices.
func claiming(spoil func(*resourcev1.ResourceClaimSpec)) func(*worldtest.World) {
	return func(w *worldtest.World) {
		tellDevices(w, "gpu")
		tellDevices(w, "wire")
		w.AddNode("workers", "n1")
		publish(w, "n1", 24)
		w.AddPod("full", "4", "1Gi", worldtest.On("n1"), worldtest.OwnedBy("ReplicaSet", "full"))
		use := devices(w, "bad", words{"devices": "gpu:1"})
		spoil(&w.Objects.ResourceClaimTemplates[0].Spec.Spec)
		w.AddPod("bad", "1", "1Gi", worldtest.OwnedBy("ReplicaSet", "bad"), use)
	}
}

// pod adds a pod that is bad in one way.
func pod(spoil func(*corev1.Pod)) func(*worldtest.World) {
	return func(w *worldtest.World) { w.AddPod("bad", "1", "1Gi", worldtest.OwnedBy("ReplicaSet", "bad"), spoil) }
}

// Ten thousand pods of which no two are alike are the worst that classes of pods
// can meet.
func TestTenThousandShapesAreBounded(t *testing.T) {
	w := worldtest.New()
	w.AddPool("workers", "16", "64Gi", worldtest.Scale(0, 1000))
	for i := range 10_000 {
		w.AddPod(fmt.Sprintf("pod-%05d", i), fmt.Sprintf("%dm", 100+i%997), fmt.Sprintf("%dMi", 128+i), worldtest.OwnedBy("ReplicaSet", fmt.Sprintf("rs-%05d", i)))
	}
	var plan Plan
	bounded(t, func() { plan = decide(t, w) })
	if len(plan.Verdicts) != 10_000 {
		t.Errorf("%d pods have a verdict", len(plan.Verdicts))
	}
	for _, v := range plan.Verdicts {
		if v.Help == HelpNone && v.Reason == "" {
			t.Fatalf("no reason: %s", v)
		}
	}
}
