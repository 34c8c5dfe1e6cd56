package scale

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

var update = flag.Bool("update", false, "write the plans that stories lead to into testdata")

// TestStories reads testdata/*.txt: a world in words, and the plan for it.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("find stories: %v, %d files", err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Files) != 2 || a.Files[0].Name != "world" || a.Files[1].Name != "plan" {
				t.Fatalf("%s: want the files world and plan", file)
			}
			plan, err := decideStory(t, string(a.Files[0].Data))
			if err != nil {
				t.Fatal(err)
			}
			got := plan.String()
			if *update {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// words are the key=value pairs of a line; each is taken once, so that a
// misspelt key is an error.
type words map[string]string

func (w words) take(key, otherwise string) string {
	v, ok := w[key]
	if !ok {
		return otherwise
	}
	delete(w, key)
	return v
}

func (w words) number(t *testing.T, key string, otherwise int) int {
	n, err := strconv.Atoi(w.take(key, strconv.Itoa(otherwise)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w words) duration(t *testing.T, key, otherwise string) time.Duration {
	d, err := time.ParseDuration(w.take(key, otherwise))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w words) list(key string) []string {
	if v := w.take(key, ""); v != "" {
		return strings.Split(v, ",")
	}
	return nil
}

// tell builds the world that the lines describe; see testdata for the words.
func tell(t *testing.T, text string) *worldtest.World {
	w := worldtest.New()
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		pairs := words{}
		for _, f := range fields[2:] {
			k, v, _ := strings.Cut(f, "=")
			pairs[k] = v
		}
		switch name := fields[1]; fields[0] {
		case "pool":
			tellPool(t, w, name, pairs)
		case "node":
			tellNode(t, w, name, pairs)
		case "machine":
			tellMachine(t, w, name, pairs)
		case "pod":
			tellPods(t, w, name, pairs)
		case "daemonset":
			tellDaemonSet(w, name, pairs)
		case "pdb":
			tellPDB(t, w, name, pairs)
		case "policy":
			clear(pairs) // see policyOf
		case "devices":
			tellDevices(w, name)
		case "cloud":
			w.Cloud.Err = fmt.Errorf("the cloud is %s", name)
		default:
			t.Fatalf("line %d: what is a %q?", i+1, fields[0])
		}
		if len(pairs) > 0 {
			t.Fatalf("line %d: unknown words %v", i+1, pairs)
		}
	}
	return w
}

func tellPool(t *testing.T, w *worldtest.World, name string, p words) {
	var opts []func(*v1alpha1.Pool)
	_, off := p["off"]
	p.take("off", "")
	lo, hi := p.number(t, "min", 0), p.number(t, "max", 10)
	if !off {
		opts = append(opts, worldtest.Scale(int32(lo), int32(hi)))
	}
	backoff, failures, desired := p.duration(t, "backoff", "0s"), p.number(t, "failures", 0), p.number(t, "run", -1)
	stopped := p.take("stopped", "")
	_, noDown := p["nodown"]
	p.take("nodown", "")
	_, consolidate := p["consolidate"]
	p.take("consolidate", "")
	_, headroom := p["headroom"]
	p.take("headroom", "")
	opts = append(opts, func(o *v1alpha1.Pool) {
		if failures > 0 {
			until := metav1.NewTime(w.Now.Add(backoff))
			o.Status.Scale = &v1alpha1.ScaleStatus{BackoffUntil: &until, Failures: int32(failures), Reason: "OutOfHostCapacity", Message: "OutOfHostCapacity"}
		}
		if desired >= 0 {
			o.Status.Cycle = &v1alpha1.CycleStatus{Request: "r", Desired: int32(desired)}
		}
		if stopped != "" {
			o.Status.Conditions = append(o.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionCycling, Status: metav1.ConditionFalse, Reason: stopped, Message: "it waits for a person"})
		}
		if consolidate {
			o.Spec.Scale.Down = &v1alpha1.ScaleDownSpec{Consolidate: true}
		}
		if headroom {
			o.Spec.Scale.ZoneLossHeadroom = true
		}
		if noDown {
			o.Spec.Scale.Down = &v1alpha1.ScaleDownSpec{Disabled: true}
		}
	})
	cpu, memory := p.take("cpu", "4"), p.take("memory", "16Gi")
	cp := w.AddPool(name, cpu, memory, opts...)
	cp.Size = p.number(t, "size", 0) // nodes and machines add to it
	if zones := p.list("zones"); len(zones) > 0 {
		cp.Placements = nil
		for _, z := range zones {
			cp.Placements = append(cp.Placements, worldtest.Placement(cloudprovider.Zone(z), cpu, memory))
		}
	}
	gpus, taint := p.take("gpus", ""), p.take("taint", "")
	price := p.number(t, "cents", 0)
	tellChoice(t, w, name, p)
	for i := range cp.Placements {
		n := &cp.Placements[i].Template
		cp.Placements[i].Price = float64(price) / 100
		if gpus != "" {
			n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse(gpus)
		}
		if taint != "" {
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: taint, Effect: corev1.TaintEffectNoSchedule})
		}
	}
}

func tellNode(t *testing.T, w *worldtest.World, name string, p words) {
	n := w.AddNode(p.take("pool", "workers"), name)
	switch state := p.take("state", "available"); state {
	case "available":
	case "shedding":
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule})
	case "joining":
		worldtest.NotReady(n)
		instance(w, name).Created = w.Now.Add(-3 * time.Minute)
	case "late":
		worldtest.NotReady(n)
	case "gated":
		worldtest.Gated(n)
	case "cordoned":
		worldtest.Cordoned(n)
	case "broken":
		n.Status.Conditions[0].Status = corev1.ConditionFalse
		n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(w.Now.Add(-p.duration(t, "down", "1m")))
	case "leaving", "draining":
		m := kube.Mark{Cause: kube.CauseScaleDown, Reason: string(Empty), Since: w.Now.Add(-time.Minute)}
		if state == "draining" {
			m.DrainStarted = &m.Since
		}
		m = kube.Cordon(n, m)
		kube.SetMark(n, m)
	default:
		t.Fatalf("node %s: what is the state %q?", name, state)
	}
	publish(w, name, p.number(t, "devices", 0))
	if zone := p.take("zone", ""); zone != "" {
		n.Labels[corev1.LabelTopologyZone], instance(w, name).Zone = zone, cloudprovider.Zone(zone)
	}
	if since := p.duration(t, "unneeded", "0s"); since > 0 {
		n.Annotations[v1alpha1.AnnotationUnneededSince] = w.Now.Add(-since).Format(time.RFC3339)
	}
	n.CreationTimestamp = metav1.NewTime(w.Now.Add(-p.duration(t, "age", "1h")))
	for _, a := range p.list("annotation") {
		n.Annotations[a] = "true"
	}
	for _, key := range p.list("tainted") {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	}
	// The template's DaemonSet-free allocatable, less what a story says is missing.
	for _, r := range p.list("without") {
		delete(n.Status.Allocatable, corev1.ResourceName(r))
	}
}

func instance(w *worldtest.World, name string) *cloudprovider.Instance {
	for _, list := range w.Cloud.Instances {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	panic("no machine " + name)
}

func tellMachine(t *testing.T, w *worldtest.World, name string, p words) {
	states := map[string]cloudprovider.State{
		"launching": cloudprovider.Creating, "running": cloudprovider.Running, "failed": cloudprovider.Failed, "deleting": cloudprovider.Deleting,
	}
	pool, state := p.take("pool", "workers"), p.take("state", "launching")
	in := w.AddInstance(pool, name, states[state])
	if age := p.take("age", "1m"); age == "unknown" {
		in.Created = time.Time{}
	} else if d, err := time.ParseDuration(age); err == nil {
		in.Created = w.Now.Add(-d)
	} else {
		t.Fatal(err)
	}
	if state == "failed" {
		in.ID = cloudprovider.Placeholder(in.Pool, len(w.Cloud.Instances[in.Pool]))
		in.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Code: "InternalError", Message: "Out of host capacity."}
	}
}

func tellPods(t *testing.T, w *worldtest.World, name string, p words) {
	var opts []func(*corev1.Pod)
	add := func(f func(*corev1.Pod)) { opts = append(opts, f) }
	if node := p.take("on", ""); node != "" {
		add(worldtest.On(node))
	}
	if owner := p.take("owner", name); owner != "none" {
		kind := "ReplicaSet"
		if strings.HasPrefix(owner, "ds/") {
			kind, owner = "DaemonSet", strings.TrimPrefix(owner, "ds/")
		}
		add(worldtest.OwnedBy(kind, owner))
	}
	if gpus := p.take("gpus", ""); gpus != "" {
		add(worldtest.Requests("nvidia.com/gpu", gpus))
	}
	if key := p.take("tolerates", ""); key != "" {
		add(func(o *corev1.Pod) {
			o.Spec.Tolerations = []corev1.Toleration{{Key: key, Operator: corev1.TolerationOpExists}}
		})
	}
	if zone := p.take("zone", ""); zone != "" {
		add(func(o *corev1.Pod) { o.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: zone} })
	}
	add(devices(w, name, p))
	add(podTraits(t, p))
	add(worldtest.Labels[*corev1.Pod]("app", p.take("app", name)))
	add(podTies(p))
	for _, a := range p.list("annotation") {
		k, v, _ := strings.Cut(a, ":")
		add(worldtest.Annotations[*corev1.Pod](k, v))
	}
	if ns := p.take("namespace", ""); ns != "" {
		add(func(o *corev1.Pod) { o.Namespace = ns })
	}
	cpu, memory, n := p.take("cpu", "1"), p.take("memory", "1Gi"), p.number(t, "count", 1)
	for i := range n {
		one := name
		if n > 1 {
			one = fmt.Sprintf("%s-%02d", name, i+1)
		}
		w.AddPod(one, cpu, memory, opts...)
	}
}

// podTraits are words without a value, and those about rank.
func podTraits(t *testing.T, p words) func(*corev1.Pod) {
	traits := p.list("with")
	priority := int32(p.number(t, "priority", 0))
	nominated, scheduler := p.take("nominated", ""), p.take("scheduler", corev1.DefaultSchedulerName)
	return func(o *corev1.Pod) {
		o.Spec.Priority, o.Spec.SchedulerName, o.Status.NominatedNodeName = &priority, scheduler, nominated
		self := &metav1.LabelSelector{MatchLabels: o.Labels}
		for _, trait := range traits {
			switch trait {
			case "gate":
				o.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "wait"}}
			case "emptydir":
				o.Spec.Volumes = []corev1.Volume{{Name: "cache", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
			case "claim":
				o.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}}
			case "hostport":
				o.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80, ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
			case "spread", "zonespread", "alone":
				self.MatchLabels = map[string]string{"app": strings.TrimRight(strings.SplitN(o.Name, "-", 2)[0], "0123456789")}
				crowd(o, trait, self)
			default:
				t.Fatalf("what is %q?", trait)
			}
		}
	}
}

func crowd(o *corev1.Pod, trait string, self *metav1.LabelSelector) {
	key := corev1.LabelHostname
	if trait == "zonespread" {
		key = corev1.LabelTopologyZone
	}
	if trait == "alone" {
		o.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{LabelSelector: self, TopologyKey: key}},
		}}
		return
	}
	o.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: self,
	}}
}

func tellDaemonSet(w *worldtest.World, name string, p words) {
	ds := appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name, UID: types.UID("uid-" + name)}}
	ds.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse(p.take("cpu", "100m")), "memory": resource.MustParse(p.take("memory", "100Mi"))},
	}}}
	w.Objects.DaemonSets = append(w.Objects.DaemonSets, ds)
}

func tellPDB(t *testing.T, w *worldtest.World, name string, p words) {
	w.Objects.PDBs = append(w.Objects.PDBs, policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.take("namespace", "default"), Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": p.take("app", name)}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: int32(p.number(t, "allowed", 0))},
	})
}
