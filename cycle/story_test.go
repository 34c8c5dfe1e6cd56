package cycle

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
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

var update = flag.Bool("update", false, "rewrite the expected plans in testdata")

// A story is a world in words, a line "plan", and the plan in words.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			told, want, _ := strings.Cut(string(text), "\nplan\n")
			snapshot, policy := tell(t, told)
			got := words(Decide(snapshot, policy))
			if again := words(Decide(snapshot, policy)); again != got {
				t.Errorf("the same world gave another plan:\n%s", again)
			}
			if *update {
				if err := os.WriteFile(file, []byte(told+"\nplan\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// words is a plan as a person reads it.
func words(p Plan) string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for _, r := range p.Pools {
		fmt.Fprintf(&b, "pool %s: size %d, desired %d, stale %d, draining %d\n", r.Pool, r.Size, r.Desired, r.Stale, r.Draining)
		if r.Wait != nil {
			fmt.Fprintf(&b, "  waits: %s: %s\n", r.Wait.Reason, r.Wait.Message)
		}
		for _, n := range r.Blocked {
			fmt.Fprintf(&b, "  %s: %s: %s\n", n.Node, n.Reason, n.Message)
		}
	}
	return b.String()
}

// teller builds a world from lines.
type teller struct {
	t      *testing.T
	w      *worldtest.World
	policy Policy
	plane  string
	pool   string
}

func tell(t *testing.T, text string) (*world.Snapshot, Policy) {
	tl := &teller{t: t, w: worldtest.New(), plane: "v1.34.1"}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		verb := map[string]func([]string){"pool": tl.addPool, "run": tl.addRun, "last": tl.addLast, "node": tl.addNode, "offer": tl.addOffer,
			"plane": func(w []string) { tl.plane = w[0] }, "pod": tl.addPod, "vanish": tl.vanish}[words[0]]
		if verb == nil {
			t.Fatalf("story: %q", line)
		}
		verb(words[1:])
	}
	s := tl.w.Snapshot()
	s.ControlPlane = tl.plane
	return s, tl.policy
}

func (tl *teller) time(v string) time.Time {
	d, err := time.ParseDuration(v)
	if err != nil {
		tl.t.Fatal(err)
	}
	return worldtest.Now.Add(d)
}

func number(v string) int {
	n, _ := strconv.Atoi(v)
	return n
}

func (tl *teller) addPool(w []string) {
	tl.pool = w[0]
	cloud := tl.w.AddPool(w[0], "4", "16Gi")
	p := &tl.w.Objects.Pools[len(tl.w.Objects.Pools)-1]
	p.Annotations = map[string]string{}
	p.Spec.Cycle = &v1alpha1.CycleSpec{Mode: v1alpha1.CycleOnDemand}
	for _, word := range w[1:] {
		key, v, _ := strings.Cut(word, "=")
		switch key {
		case "release":
			cloud.Release.Kubernetes = v
		case "image":
			cloud.Release.Image, cloud.Release.ImageName = v, v
		case "zones":
			cloud.Placements = nil
			for z := range strings.SplitSeq(v, ",") {
				cloud.Placements = append(cloud.Placements, worldtest.Placement(cloudprovider.Zone(z), "4", "16Gi"))
			}
		case "fallback":
			p.Spec.Cycle.Fallback = &v1alpha1.FallbackSpec{Unavailable: v == "unavailable"}
		case "surge", "unavailable":
			x := intstr.Parse(v)
			if key == "surge" {
				p.Spec.Cycle.MaxSurge = &x
			} else {
				p.Spec.Cycle.MaxUnavailable = &x
			}
		case "off":
			p.Spec.Cycle = nil
		case "repair":
			p.Spec.Repair = &v1alpha1.RepairSpec{Mode: v1alpha1.RepairOn}
		case "scale":
			p.Spec.Scale = &v1alpha1.ScaleSpec{MaxSize: 10}
		case "paused":
			p.Annotations[v1alpha1.AnnotationPause] = "true"
		case "updating":
			cloud.Health.Updating = true
		case "unread":
			cloud.Health.Err = cloudprovider.ErrThrottled
		case "cycle", "upgrade-to":
			p.Annotations["tidemill.dev/"+key] = v
		default:
			tl.t.Fatalf("story: pool word %q", word)
		}
	}
}

func (tl *teller) object() *v1alpha1.Pool { return &tl.w.Objects.Pools[len(tl.w.Objects.Pools)-1] }

func (tl *teller) addRun(w []string) {
	run := &v1alpha1.CycleStatus{Request: "tidemill.dev/" + w[0], StartedAt: metav1.NewTime(tl.time("-10m"))}
	if strings.HasPrefix(w[0], "node/") {
		run.Request = w[0]
	}
	for _, word := range w[1:] {
		key, v, _ := strings.Cut(word, "=")
		switch key {
		case "desired":
			run.Desired = int32(number(v))
		case "started":
			run.StartedAt = metav1.NewTime(tl.time(v))
		case "strategy":
			run.Strategy = v1alpha1.CycleStrategy(v)
		case "delegated":
			run.DelegatedAt = &metav1.Time{Time: tl.time(v)}
		case "delegations":
			run.Delegations = int32(number(v))
		case "stale":
			run.Stale = int32(number(v))
		case "retry":
			run.SurgeRetryAt, run.SurgeFailures = &metav1.Time{Time: tl.time(v)}, 1
		case "failed":
			for id := range strings.SplitSeq(v, ",") {
				run.FailedJoins = append(run.FailedJoins, string(worldtest.InstanceID(id)))
			}
		}
	}
	tl.object().Status.Cycle = run
}

func (tl *teller) addLast(w []string) {
	tl.object().Status.LastCycle = &v1alpha1.LastCycleStatus{Request: "tidemill.dev/" + w[0], Outcome: w[1]}
	if value, ok := strings.CutPrefix(w[0], "cycle="); ok {
		tl.object().Status.LastCycle.CycleSeen = value
	}
}

func (tl *teller) addOffer(w []string) {
	o := Offer{}
	for _, v := range w {
		version, image, _ := strings.Cut(v, "/")
		o.Releases = append(o.Releases, cloudprovider.Release{Kubernetes: version, Image: image, ImageName: image})
	}
	if tl.policy.Offers == nil {
		tl.policy.Offers = map[cloudprovider.PoolID]Offer{}
	}
	tl.policy.Offers[worldtest.PoolID(tl.pool)] = o
}

func (tl *teller) addPod(w []string) {
	p := tl.w.AddPod(w[0], "1", "1Gi", worldtest.On(w[1]), worldtest.OwnedBy("ReplicaSet", "web"))
	for _, word := range w[2:] {
		key, v, _ := strings.Cut(word, "=")
		if key != "volume" {
			tl.t.Fatalf("story: pod word %q", word)
		}
		tl.addVolume(p, v)
	}
}

// addVolume gives the pod one that can be attached in a zone only.
func (tl *teller) addVolume(p *corev1.Pod, zone string) {
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: p.Name}}}}
	claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}}
	claim.Spec.VolumeName = "pv-" + p.Name
	pv := corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}}
	pv.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}}}}}
	tl.w.Objects.PVCs, tl.w.Objects.PVs = append(tl.w.Objects.PVCs, claim), append(tl.w.Objects.PVs, pv)
}

func (tl *teller) addNode(w []string) {
	n := tl.w.AddNode(tl.pool, w[0])
	id := worldtest.PoolID(tl.pool)
	list := tl.w.Cloud.Instances[id]
	in := &list[len(list)-1]
	mark := kube.Mark{Cause: kube.CauseCycle, Reason: "Outdated", Since: tl.time("-5m")}
	said := map[string]bool{}
	for _, word := range w[1:] {
		key, v, _ := strings.Cut(word, "=")
		said[key] = true
		if !tl.machineWord(in, n, key, v) && !tl.nodeWord(n, key, v) && !tl.markWord(&mark, key, v) {
			tl.t.Fatalf("story: node word %q", word)
		}
	}
	if said["mark"] {
		kube.SetMark(n, kube.Cordon(n, mark))
	}
	if said["uncordoned"] {
		n.Spec.Unschedulable = false
	}
	if in.State == cloudprovider.Failed {
		in.ID = cloudprovider.Placeholder(id, len(list))
		in.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity, Message: "Out of host capacity."}
	}
	if said["unregistered"] || in.State == cloudprovider.Failed {
		tl.w.Objects.Nodes = tl.w.Objects.Nodes[:len(tl.w.Objects.Nodes)-1]
	}
}

// machineWord is a word about the machine.
func (tl *teller) machineWord(in *cloudprovider.Instance, n *corev1.Node, key, v string) bool {
	switch key {
	case "zone":
		in.Zone = cloudprovider.Zone(v)
		n.Labels[corev1.LabelTopologyZone] = v
	case "age":
		in.Created = tl.time("-" + v)
	case "version":
		n.Status.NodeInfo.KubeletVersion, in.Release.Kubernetes = v, v
	case "image":
		in.Release.Image = v
	case "state":
		for s := cloudprovider.StateUnknown; s <= cloudprovider.Failed; s++ {
			if s.String() == v {
				in.State = s
			}
		}
		if in.State == cloudprovider.Deleting {
			tl.cloudPool().Size--
		}
	case "unregistered":
	default:
		return false
	}
	return true
}

// nodeWord is a word about the Node.
func (tl *teller) nodeWord(n *corev1.Node, key, v string) bool {
	switch key {
	case "notready":
		n.Status.Conditions[0].Status = corev1.ConditionUnknown
	case "problem":
		n.Status.Conditions[1].Status = corev1.ConditionTrue
		if v != "" {
			n.Status.Conditions[1].LastHeartbeatTime = metav1.NewTime(tl.time(v))
		}
	case "ready":
		n.Status.Conditions[0].LastTransitionTime = metav1.NewTime(tl.time(v))
	case "gated":
		worldtest.Gated(n)
	case "joining":
		worldtest.NotReady(n)
	case "cordoned":
		n.Spec.Unschedulable = true
	case "tainted":
		kube.AddTaint(n, corev1.Taint{Key: v1alpha1.TaintOutdated, Effect: corev1.TaintEffectPreferNoSchedule})
	case "protected":
		n.Annotations[v1alpha1.AnnotationDoNotDisrupt] = "true"
	case "skipped":
		n.Annotations[v1alpha1.AnnotationSkippedUntil] = tl.time(v).Format(time.RFC3339)
	case "cycle":
		n.Annotations[v1alpha1.AnnotationCycle] = v
	case "uncordoned":
	default:
		return false
	}
	return true
}

// markWord is a word about the disruption that the node is in.
func (tl *teller) markWord(m *kube.Mark, key, v string) bool {
	switch key {
	case "mark":
		m.Cause = kube.Cause(v)
	case "reason":
		m.Reason = v
	case "draining":
		at := tl.time(v)
		m.DrainStarted = &at
	case "drained":
		at := tl.time("-1m")
		m.DrainStarted, m.Drained = &at, &at
	default:
		return false
	}
	return true
}

// vanish takes the node pool out of the cloud; its Nodes are still there.
func (tl *teller) vanish([]string) {
	delete(tl.w.Cloud.Instances, tl.cloudPool().ID)
	tl.w.Cloud.Pools = tl.w.Cloud.Pools[:len(tl.w.Cloud.Pools)-1]
}

func (tl *teller) cloudPool() *cloudprovider.NodePool {
	return &tl.w.Cloud.Pools[len(tl.w.Cloud.Pools)-1]
}
