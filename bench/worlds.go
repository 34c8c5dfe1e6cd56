package main

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

var threeZones = []cloudprovider.Zone{"AD-1", "AD-2", "AD-3"}

// addPool adds a pool over three availability domains that may have up to most
// nodes.
func addPool(w *worldtest.World, name, cpu, memory string, most int) *cloudprovider.NodePool {
	p := w.AddPool(name, cpu, memory, worldtest.Scale(0, int32(most)))
	p.Placements = nil
	for _, zone := range threeZones {
		pl := worldtest.Placement(zone, cpu, memory)
		pl.Template.Labels["pool"] = name
		pl.Price = listPrice(pl.Template.Status.Allocatable)
		p.Placements = append(p.Placements, pl)
	}
	return p
}

// listPrice is that of a machine that has so much, in US dollars an hour.
func listPrice(have corev1.ResourceList) float64 {
	return e5VCPU*have.Cpu().AsApproximateFloat64() + e5GiB*have.Memory().AsApproximateFloat64()/(1<<30)
}

// uniform is like pods, fifty to a node, of so many owners; 0 for pods of
// nobody's.
func uniform(pods, owners int) *worldtest.World {
	w := worldtest.New()
	addPool(w, "workers", "16", "64Gi", pods)
	for i := range pods {
		var opts []func(*corev1.Pod)
		if owners > 0 {
			owner := fmt.Sprintf("web-%03d", i%owners)
			opts = append(opts, worldtest.OwnedBy("ReplicaSet", owner), worldtest.Labels[*corev1.Pod]("app", owner))
		}
		w.AddPod(fmt.Sprintf("web-%06d", i), "320m", "1Gi", opts...)
	}
	return w
}

// mixed is pods of so many shapes in five kinds: plain, spread over zones, spread
// over hosts, together in a zone, apart from each other.
func mixed(pods, shapes int) *worldtest.World {
	w := worldtest.New()
	for _, size := range []struct{ cpu, memory string }{{"4", "16Gi"}, {"8", "64Gi"}, {"16", "64Gi"}, {"32", "256Gi"}} {
		addPool(w, "cpu"+size.cpu, size.cpu, size.memory, pods)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := []func(*corev1.Pod, *metav1.LabelSelector){
		func(*corev1.Pod, *metav1.LabelSelector) {}, spreadOver(corev1.LabelTopologyZone), spreadOver(corev1.LabelHostname), together, apart,
	}
	opts, cpus, memories := make([]func(*corev1.Pod), shapes), make([]string, shapes), make([]string, shapes)
	for i := range shapes {
		app := fmt.Sprintf("app-%04d", i)
		self := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
		cpus[i], memories[i] = fmt.Sprintf("%dm", 100+50*rng.IntN(30)), fmt.Sprintf("%dMi", 128+128*rng.IntN(32))
		opts[i] = func(p *corev1.Pod) {
			p.Labels = map[string]string{"app": app, "pod-template-hash": "5d4f8c7b6d"}
			worldtest.OwnedBy("ReplicaSet", app)(p)
			kinds[i%len(kinds)](p, self)
		}
	}
	for i := range pods {
		shape := i % shapes
		w.AddPod(fmt.Sprintf("pod-%06d", i), cpus[shape], memories[shape], opts[shape])
	}
	return w
}

func spreadOver(key string) func(*corev1.Pod, *metav1.LabelSelector) {
	return func(p *corev1.Pod, self *metav1.LabelSelector) {
		p.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: self,
		}}
	}
}

func together(p *corev1.Pod, self *metav1.LabelSelector) {
	p.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{LabelSelector: self, TopologyKey: corev1.LabelTopologyZone},
	}}}
}

func apart(p *corev1.Pod, self *metav1.LabelSelector) {
	p.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{
		{LabelSelector: self, TopologyKey: corev1.LabelHostname},
	}}}
}

// spreadAlone is replicas of one deployment, spread over zones, in an empty
// cluster; with pools over three zones each, or one pool for each zone.
func spreadAlone(pods int, each bool) *worldtest.World {
	w := worldtest.New()
	if each {
		for _, zone := range threeZones {
			w.AddPool("in-"+string(zone), "16", "64Gi", worldtest.Scale(0, 1000)).Placements[0] = worldtest.Placement(zone, "16", "64Gi")
		}
	} else {
		addPool(w, "workers", "16", "64Gi", 1000)
	}
	self := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for i := range pods {
		w.AddPod(fmt.Sprintf("web-%04d", i), "320m", "1Gi", func(p *corev1.Pod) {
			p.Labels = map[string]string{"app": "web"}
			spreadOver(corev1.LabelTopologyZone)(p, self)
		})
	}
	return w
}

// manyPools is pods of a hundred shapes before pools of ten sizes; half of the
// shapes want one pool, as teams with machines of their own do.
func manyPools(pods, pools int) *worldtest.World {
	w := worldtest.New()
	for i := range pools {
		size := 4 + 2*(i%10)
		addPool(w, fmt.Sprintf("pool-%03d", i), fmt.Sprint(size), fmt.Sprintf("%dGi", 4*size), 1000)
	}
	for i := range pods {
		shape := i % 100
		w.AddPod(fmt.Sprintf("pod-%06d", i), fmt.Sprintf("%dm", 200+20*shape), fmt.Sprintf("%dMi", 256+64*(shape%13)), func(p *corev1.Pod) {
			if shape%2 == 0 {
				p.Spec.NodeSelector = map[string]string{"pool": fmt.Sprintf("pool-%03d", shape*pools/100)}
			}
		})
	}
	return w
}

// atRest is a cluster in which everything runs, thirty pods to a node.
func atRest(nodes, perNode int) *worldtest.World {
	w := worldtest.New()
	addPool(w, "workers", "16", "64Gi", nodes)
	for i := range nodes {
		name := fmt.Sprintf("node-%05d", i)
		w.AddNode("workers", name)
		for j := range perNode {
			app := fmt.Sprintf("app-%03d", (i*perNode+j)%300)
			w.AddPod(fmt.Sprintf("%s-%05d-%02d", app, i, j), "400m", "1Gi", worldtest.On(name), worldtest.OwnedBy("ReplicaSet", app),
				worldtest.Labels[*corev1.Pod]("app", app))
		}
	}
	return w
}
