package mirror

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

func TestDiscovery(t *testing.T) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi")
	add := func(id cloudprovider.PoolID, name string) {
		w.Cloud.Pools = append(w.Cloud.Pools, cloudprovider.NodePool{ID: id, Name: name})
	}
	add("ocid1.nodepool.oc1..bbb111", "GPU Pool (A100)")
	add("ocid1.nodepool.oc1..bbb222", "gpu-pool--a100")
	add("ocid1.nodepool.oc1..bbb333", "workers")
	add("ocid1.nodepool.oc1..bbb444", "水車")
	want := []Creation{
		{"gpu-pool-a100", "ocid1.nodepool.oc1..bbb111"},
		{"gpu-pool-a100-bbb222", "ocid1.nodepool.oc1..bbb222"},
		{"workers-bbb333", "ocid1.nodepool.oc1..bbb333"},
		{"pool", "ocid1.nodepool.oc1..bbb444"},
	}
	if diff := cmp.Diff(want, Decide(w.Snapshot()).Create); diff != "" {
		t.Errorf("create (-want +got):\n%s", diff)
	}
	if o := want[0].Object(); o.Spec.Scale != nil || o.Spec.Cycle != nil || o.Spec.Repair != nil {
		t.Errorf("a discovered Pool opts in: %v", o.Spec)
	}
	w.Cloud.Err = errors.New("no route")
	if got := Decide(w.Snapshot()).Create; got != nil {
		t.Errorf("Pools created from an old look: %v", got)
	}
}

func TestPoolNamesAreValidAndUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		taken := map[string]bool{}
		for range rapid.IntRange(1, 12).Draw(t, "pools") {
			p := cloudprovider.NodePool{
				ID:   cloudprovider.PoolID(rapid.StringMatching(`ocid1[.a-z]{0,3}`).Draw(t, "id")),
				Name: rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"a", "A", "a-", strings.Repeat("w-", 60)})).Draw(t, "name"),
			}
			name := poolName(p, taken)
			if taken[name] {
				t.Fatalf("name %q is given twice", name)
			}
			if errs := content.IsDNS1123Subdomain(name); len(errs) > 0 {
				t.Fatalf("name %q of %q: %v", name, p.Name, errs)
			}
			taken[name] = true
		}
	})
}

// told is what the status of the Pool "workers" says after a look.
func told(t *testing.T, s *world.Snapshot) Part {
	t.Helper()
	for _, c := range Decide(s).Status {
		if c.Name == "workers" {
			return c.Part
		}
	}
	t.Fatalf("no status for workers")
	return Part{}
}

func TestStatus(t *testing.T) {
	started := metav1.NewTime(worldtest.Now)
	draining := func(cause kube.Cause) func(*corev1.Node) {
		return func(n *corev1.Node) {
			kube.SetMark(n, kube.Mark{Cause: cause, DrainStarted: &worldtest.Now})
		}
	}
	tests := []struct {
		name  string
		build func(w *worldtest.World, object *v1alpha1.Pool)
		want  string // size ready outdated draining activity | UpToDate reason
	}{
		{"nothing happens", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
		}, "1 1 0 0 idle | UpToDate"},
		{"growing", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			w.AddInstance("workers", "n2", cloudprovider.Creating).Created = w.Now.Add(-24 * time.Minute)
			w.AddNode("workers", "n3", worldtest.NotReady)
		}, "3 1 0 0 growing 1→3 | UpToDate"},
		{"examined before it counts", func(w *worldtest.World, object *v1alpha1.Pool) {
			worldtest.Scale(1, 5)(object)
			w.AddNode("workers", "n1", worldtest.Gated)
		}, "1 0 0 0 examining 1 node | UpToDate"},
		{"nobody examines a pool that opted in to nothing", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1", worldtest.Gated)
		}, "1 1 0 0 idle | UpToDate"},
		{"found broken", func(w *worldtest.World, object *v1alpha1.Pool) {
			worldtest.Scale(1, 5)(object)
			w.AddNode("workers", "n1").Status.Conditions[1].Status = corev1.ConditionTrue
		}, "1 0 0 0 1 broken | UpToDate"},
		{"shrinking", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			w.AddNode("workers", "n2", draining(kube.CauseScaleDown))
		}, "2 1 0 1 shrinking 2→1 | UpToDate"},
		{"repairing", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1", draining(kube.CauseRepair))
		}, "1 0 0 1 repairing 1 node | UpToDate"},
		{"out of capacity", func(w *worldtest.World, _ *v1alpha1.Pool) {
			in := w.AddInstance("workers", "n1", cloudprovider.Failed)
			in.Fault = &cloudprovider.Fault{Class: cloudprovider.FaultCapacity}
		}, "1 0 0 0 1 failed: OutOfHostCapacity | UpToDate"},
		{"broken", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1").Status.Conditions[0].Status = corev1.ConditionUnknown
		}, "1 0 0 0 1 broken | UpToDate"},
		{"an old kubelet", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1").Status.NodeInfo.KubeletVersion = "v1.35.0"
		}, "1 1 1 0 idle | Outdated"},
		{"an old image", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.Cloud.Pools[0].Release.Image = "image-2"
			w.AddNode("workers", "n1")
			w.Cloud.Instances[w.Cloud.Pools[0].ID][0].Release.Image = "image-1"
		}, "1 1 1 0 idle | Outdated"},
		{"an image that the cloud does not tell", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			w.Cloud.Pools[0].Release.Image = "image-2"
		}, "1 1 0 0 idle | UpToDate"},
		{"a machine that has not registered is not outdated", func(w *worldtest.World, _ *v1alpha1.Pool) {
			in := w.AddInstance("workers", "n1", cloudprovider.Running)
			in.Release, in.Created = cloudprovider.Release{Kubernetes: "v1.35.0"}, w.Now.Add(-time.Minute)
		}, "1 0 0 0 growing 0→1 | UpToDate"},
		{"a machine that never became a node", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			w.AddInstance("workers", "n2", cloudprovider.Running).Created = w.Now.Add(-25 * time.Minute)
		}, "2 1 0 0 growing 1→2 | NotJoined"},
		{"a machine that had as long as its pool allows", func(w *worldtest.World, object *v1alpha1.Pool) {
			object.Spec.Cycle = &v1alpha1.CycleSpec{JoinTimeout: &metav1.Duration{Duration: 3 * time.Minute}}
			w.AddInstance("workers", "n1", cloudprovider.Running).Created = w.Now.Add(-4 * time.Minute)
		}, "1 0 0 0 growing 0→1 | NotJoined"},
		{"a machine that is gone with its Node", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddInstance("workers", "n1", cloudprovider.Stopped)
		}, "1 0 0 0 1 broken | NotJoined"},
		{"a machine that is gone and of whose birth nobody knows any more", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddInstance("workers", "n1", cloudprovider.Stopped).Created = time.Time{}
		}, "1 0 0 0 1 broken | NotJoined"},
		{"a machine that never became a node beside an old kubelet", func(w *worldtest.World, _ *v1alpha1.Pool) {
			w.AddNode("workers", "n1").Status.NodeInfo.KubeletVersion = "v1.35.0"
			w.AddInstance("workers", "n2", cloudprovider.Running).Created = w.Now.Add(-25 * time.Minute)
		}, "2 1 1 0 growing 1→2 | NotJoined"},
		{"a run", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Status.Cycle = &v1alpha1.CycleStatus{
				Request: v1alpha1.AnnotationUpgradeTo + "=v1.36.3", StartedAt: started, Desired: 1, Stale: 3, Replaced: 2,
			}
		}, "1 1 0 0 cycling 2/5 to v1.36.3 | Cycling"},
		{"a request that nobody has begun", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationCycle: "2"}
			object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationCycle + "=1", CycleSeen: "1", Outcome: "Succeeded"}
		}, "1 1 0 0 idle | Requested"},
		{"a version that nobody has set yet", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationUpgradeTo: "v1.37.0"}
		}, "1 1 0 0 idle | Requested"},
		{"requests that were answered", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationUpgradeTo: "v9", v1alpha1.AnnotationCycle: "1"}
			object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationUpgradeTo + "=v9", CycleSeen: "1", Outcome: "Refused"}
		}, "1 1 0 0 idle | UpToDate"},
		{"a request that was rolled back", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationUpgradeTo: "v9", v1alpha1.AnnotationRollback: "1"}
			object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationRollback + "=1", RolledBack: "v9", Outcome: "Aborted"}
		}, "1 1 0 0 idle | UpToDate"},
		{"a request that was answered before the last", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationCycle: "1"}
			object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: "node/n1:tidemill.dev/cycle=x", Outcome: "Succeeded",
				Seen: []string{world.SeenKey("", v1alpha1.AnnotationCycle+"=1")}}
		}, "1 1 0 0 idle | UpToDate"},
		{"a request whose abort was taken off", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationUpgradeTo: "v9"}
			object.Status.LastCycle = &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationUpgradeTo + "=v9", AbortSeen: "stop", Outcome: "Aborted"}
		}, "1 1 0 0 idle | Requested"},
		{"a paused run", func(w *worldtest.World, object *v1alpha1.Pool) {
			w.AddNode("workers", "n1")
			object.Annotations = map[string]string{v1alpha1.AnnotationPause: "lunch"}
			object.Status.Cycle = &v1alpha1.CycleStatus{Request: v1alpha1.AnnotationCycle + "=1", StartedAt: started, Desired: 1, Stale: 1}
		}, "1 1 0 0 cycling 0/1, paused | Cycling"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := worldtest.New()
			w.AddPool("workers", "4", "16Gi")
			test.build(w, &w.Objects.Pools[0])
			p := told(t, w.Snapshot())
			got := fmt.Sprint(p.Size, " ", p.Ready, " ", p.Outdated, " ", p.Draining, " ", p.Activity, " | ", find(p.Conditions, v1alpha1.ConditionUpToDate).Reason)
			if got != test.want {
				t.Errorf("status %q, want %q", got, test.want)
			}
			if c := find(p.Conditions, v1alpha1.ConditionReady); c.Status != metav1.ConditionTrue {
				t.Errorf("Ready = %v", c)
			}
		})
	}
}

// What has been written is not written again, and what is written is what the
// next look finds.
func TestNothingIsWrittenTwice(t *testing.T) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi")
	w.AddNode("workers", "n1")
	write := func() int {
		plan := Decide(w.Snapshot())
		for _, c := range plan.Status {
			for i := range w.Objects.Pools {
				if w.Objects.Pools[i].Name == c.Name {
					stand(&w.Objects.Pools[i], c.Part)
				}
			}
		}
		return len(plan.Status)
	}
	expect := func(when string, want int) {
		t.Helper()
		if got := write(); got != want {
			t.Errorf("%s: %d writes, want %d", when, got, want)
		}
		if got := write(); got != 0 {
			t.Errorf("%s: written again", when)
		}
	}
	expect("first look", 1)
	w.Now = w.Now.Add(time.Hour)
	expect("an hour later", 0)
	w.Cloud.Err = errors.New("dial tcp 127.0.0.1:40001: refused\nopc-request-id: 1")
	expect("cloud away", 1)
	w.Cloud.Err = errors.New("dial tcp 127.0.0.1:40002: refused\nopc-request-id: 2")
	expect("cloud away in other words", 0)
	w.Cloud.Err = fmt.Errorf("list node pools: %w", cloudprovider.ErrUnauthorized)
	expect("refused", 1)
	w.Cloud.Err = nil
	expect("cloud back", 1)
	w.Cloud.Pools, w.Objects.Nodes = nil, nil
	expect("pool gone", 1)
}

// stand puts a part into a Pool's status as server-side apply would.
func stand(p *v1alpha1.Pool, part Part) {
	p.Status.NodePoolID, p.Status.Shape, p.Status.Size, p.Status.Ready = part.NodePoolID, part.Shape, part.Size, part.Ready
	p.Status.Outdated, p.Status.Draining, p.Status.Release, p.Status.Activity = part.Outdated, part.Draining, part.Release, part.Activity
	p.Status.Conditions, p.Status.Learned = part.Conditions, part.Learned
}

func TestUnready(t *testing.T) {
	tests := []struct {
		name     string
		build    func(w *worldtest.World)
		reason   world.OrphanReason
		activity string
		message  string
	}{
		{"never there", func(w *worldtest.World) { w.Objects.Pools[0].Spec.NodePoolID = "wrokers" },
			world.NodePoolNotFound, "not found in OKE", "misspelt"},
		{"deleted under our hands", func(w *worldtest.World) {
			w.Objects.Pools[0].Status.NodePoolID, w.Cloud.Pools = string(w.Cloud.Pools[0].ID), nil
		}, world.NodePoolNotFound, "gone from OKE", "deleted"},
		{"claimed twice", func(w *worldtest.World) {
			other := *w.Objects.Pools[0].DeepCopy()
			other.Name, other.CreationTimestamp = "older", metav1.NewTime(w.Now.Add(-time.Hour))
			w.Objects.Pools[0].CreationTimestamp = metav1.NewTime(w.Now)
			w.Objects.Pools = append(w.Objects.Pools, other)
		}, world.NodePoolClaimedTwice, "claimed by another Pool", "delete one of the two"},
		{"ambiguous", func(w *worldtest.World) {
			twin := w.Cloud.Pools[0]
			twin.ID = "ocid1.nodepool.oc1..twin"
			w.Cloud.Pools = append(w.Cloud.Pools, twin)
			w.Objects.Pools[0].Spec.NodePoolID = "workers"
		}, world.NodePoolNameAmbiguous, "name is ambiguous", "give the OCID"},
		{"wrong key", func(w *worldtest.World) {
			w.Cloud.Err = fmt.Errorf("list: %w", cloudprovider.ErrUnauthorized)
		}, world.CloudUnavailable, "idle", "hint: check the key"},
		{"this pool alone", func(w *worldtest.World) {
			w.Cloud.Pools[0].Health.Err = errors.New("502")
		}, world.CloudUnavailable, "idle", "502"},
		{"wrong key from the start", func(w *worldtest.World) {
			w.Cloud = cloudprovider.Cloud{Err: fmt.Errorf("list: %w", cloudprovider.ErrUnauthorized)}
		}, world.CloudUnavailable, "not seen yet", "refuses"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := worldtest.New()
			w.AddPool("workers", "4", "16Gi")
			test.build(w)
			plan := Decide(w.Snapshot())
			p := told(t, w.Snapshot())
			c := find(p.Conditions, v1alpha1.ConditionReady)
			if c.Status != metav1.ConditionFalse || c.Reason != string(test.reason) || !strings.Contains(c.Message, test.message) {
				t.Errorf("Ready = %s %s %q, want False %s ...%s...", c.Status, c.Reason, c.Message, test.reason, test.message)
			}
			if p.Activity != test.activity {
				t.Errorf("activity = %q, want %q", p.Activity, test.activity)
			}
			for _, c := range plan.Status {
				if c.Name == "workers" && !c.TurnedUnready {
					t.Errorf("nobody is told")
				}
			}
		})
	}
}

// The numbers of the last good look outlive a daemon that starts while the
// cloud is away.
func TestOldNumbersStandWhileTheCloudIsAway(t *testing.T) {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi")
	stand(&w.Objects.Pools[0], Part{NodePoolID: "x", Size: 7, Ready: 6, Activity: "growing 6→7"})
	w.Cloud = cloudprovider.Cloud{Err: errors.New("no route")}
	p := told(t, w.Snapshot())
	if p.Size != 7 || p.Ready != 6 || p.NodePoolID != "x" || p.Activity != "growing 6→7" {
		t.Errorf("status = %+v", p)
	}
}

// What stands is not all tidemill's: of a Pool whose status somebody has written into,
// nothing that a terminal obeys is said again while the cloud is away.
func TestWhatOthersWroteIsMadeHarmlessWhileTheCloudIsAway(t *testing.T) {
	const bell = "\x1b[2J\u202e\r\nlevel=INFO msg=forged\x00"
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi")
	w.Cloud.Pools, w.Cloud.Err = nil, cloudprovider.ErrUnauthorized
	status := &w.Objects.Pools[0].Status
	status.Activity, status.Shape = bell, bell
	status.Release = &v1alpha1.ReleaseStatus{Kubernetes: bell, Image: bell, ImageName: bell}
	status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: string(world.CloudUnavailable),
		Message: "the cloud refuses tidemill's credentials" + bell}}
	plan := Decide(w.Snapshot())
	if len(plan.Status) != 1 {
		t.Fatalf("plan %v", plan)
	}
	part := plan.Status[0].Part
	for _, said := range []string{part.Activity, part.Shape, part.Release.Kubernetes, part.Release.Image, part.Release.ImageName, part.Conditions[0].Message} {
		if strings.ContainsAny(said, "\x1b\u202e\r\n\x00") || !strings.Contains(said, "forged") {
			t.Errorf("says %q", said)
		}
	}
	status.Activity, status.Shape, status.Release, status.Conditions = part.Activity, part.Shape, part.Release, part.Conditions
	if again := Decide(w.Snapshot()); len(again.Status) != 0 {
		t.Errorf("and is written again: %v", again)
	}
}
