package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// sources are all that a one-shot look may have to do without.
var sources = []Source{fromPods, fromDaemonSets, fromAttachments, fromLeases, fromPodNetworks, fromCloud, fromPools}

// sickness is a clinic in which each source has something to tell of.
func sickness(t testing.TB) *clinic {
	c := newClinic()
	for i := range 4 {
		c.addNode(fmt.Sprintf("n%d", i))
	}
	for i := range 3 {
		c.pull("n1", fmt.Sprintf("web-%d", i), fmt.Sprintf("iad.ocir.io/acme/web:%d", i), false)
		c.pull("n2", fmt.Sprintf("well-%d", i), fmt.Sprintf("iad.ocir.io/acme/web:%d", i), true)
		evicted := c.AddPod(fmt.Sprintf("gone-%d", i), "1", "1Gi", worldtest.On("n1"))
		evicted.Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", StartTime: &metav1.Time{Time: c.Now.Add(-time.Minute)}}
		stuck := c.AddPod(fmt.Sprintf("stuck-%d", i), "1", "1Gi", worldtest.On("n1"))
		stuck.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionFalse,
			LastTransitionTime: metav1.NewTime(c.Now.Add(-time.Hour))}}}
		stays := c.AddPod(fmt.Sprintf("stays-%d", i), "1", "1Gi", worldtest.On("n1"))
		stays.DeletionTimestamp, stays.Finalizers = &metav1.Time{Time: c.Now.Add(-time.Hour)}, nil
	}
	for i := range c.Objects.Pods {
		if p := &c.Objects.Pods[i]; p.Name == "kube-proxy-n3" {
			p.Status.Conditions[0].Status = corev1.ConditionFalse
		}
	}
	c.addDaemonSet("csi-oci-node", "system-node-critical")
	c.node("n0").Spec.PodCIDR = "10.1.0.0/24"
	for i := range c.Objects.Nodes {
		c.Objects.Nodes[i].Status.Allocatable[corev1.ResourcePods] = resource.MustParse("9")
	}
	c.Objects.Attachments = append(c.Objects.Attachments, storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "csi-1", CreationTimestamp: metav1.NewTime(c.Now.Add(-time.Hour))},
		Spec:       storagev1.VolumeAttachmentSpec{NodeName: "n1"}})
	c.leases["n2"] = c.Now.Add(-time.Hour)
	c.leases["n3"] = c.Now.Add(time.Hour)
	c.podNetworks = &PodNetworks{Of: map[string]PodNetwork{}}
	c.instance("n2").State = cloudprovider.Stopped
	c.plans = Plans{Asked: true}
	return c
}

// blinded is the look without a source, as a list that came back empty: what a
// check that does not say what it reads would be misled by.
func (c *clinic) blinded(source Source) {
	switch source {
	case fromPods:
		c.Objects.Pods = nil
	case fromDaemonSets:
		c.Objects.DaemonSets = nil
	case fromAttachments:
		c.Objects.Attachments = nil
	case fromLeases:
		c.leases = nil
	case fromPodNetworks:
		c.podNetworks = nil
	case fromCloud:
		c.Cloud = cloudprovider.Cloud{Err: errors.New("nobody there")}
	case fromPools:
		c.Objects.Pools = nil
	}
}

// examined looks once and gives each finding by node and check.
func (c *clinic) examined(t testing.TB, unseen Unseen) map[[2]string]Finding {
	s := c.Snapshot()
	s.ControlPlane = c.controlPlane
	look := NewLook(s, c.leases, nil, nil)
	look.Plans, look.PodNetworks, look.Unseen = c.plans, c.podNetworks, unseen
	out := map[[2]string]Finding{}
	for _, x := range Judge(t.Context(), look, &Runner{Checks: Checks(), Timeout: time.Second, OneShot: true}, Policy{}) {
		for _, f := range x.Findings {
			out[[2]string{x.Patient.Name(), f.Check}] = f
		}
	}
	return out
}

// Each check says what it reads: without a source, no other check changes its
// mind, and with the source known to be missing those that read it say so.
func TestChecksSayWhatTheyRead(t *testing.T) {
	whole := sickness(t).examined(t, nil)
	matters := map[Source]bool{}
	for _, source := range sources {
		c := sickness(t)
		c.blinded(source)
		misled := c.examined(t, nil)
		told := c.examined(t, Unseen{source: errors.New("boom")})
		for _, check := range Checks() {
			reads := slices.Contains(check.Reads, source)
			for key, f := range whole {
				if key[1] != check.ID {
					continue
				}
				if misled[key].State != f.State && !reads {
					t.Errorf("%s says %s (%s) on %s, and without %s %s (%s): it does not say that it reads them",
						check.ID, f.State, f.Reason, key[0], source, misled[key].State, misled[key].Reason)
				}
				matters[source] = matters[source] || reads && misled[key].State != f.State
				if now := told[key]; reads && now.State != Unknown && now.State != Skip {
					t.Errorf("%s says %s (%s) on %s without %s", check.ID, now.State, now.Reason, key[0], source)
				}
			}
		}
	}
	for _, source := range sources {
		if !matters[source] && source != fromPools {
			t.Errorf("nothing in this clinic depends on %s: the test proves nothing about it", source)
		}
	}
}

// refusing answers no list of the named kinds; its errors are those of the API
// server.
type refusing struct {
	client.Reader
	kinds map[string]error // by Go type: "*v1.PodList"
}

func (r refusing) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := r.kinds[fmt.Sprintf("%T", list)]; err != nil {
		return err
	}
	return r.Reader.List(ctx, list, opts...)
}

func forbiddenTo(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
}

// Who may read nodes and pods alone, in a cluster that has never heard of
// tidemill, gets a report; what is missing from it is said once for each resource.
func TestSurveyDoesWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := practiceOf(t, 3)
		p.kubelet(t, "n1", corev1.ConditionFalse)
		reader := refusing{p.api, map[string]error{
			"*v1.DaemonSetList": forbiddenTo("daemonsets"), "*v1.VolumeAttachmentList": forbiddenTo("volumeattachments"), "*v1.LeaseList": forbiddenTo("leases"),
			"*v1alpha1.PoolList":             &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "tidemill.dev", Kind: "Pool"}},
			"*unstructured.UnstructuredList": errors.New("unexpected end of JSON"),
		}}
		nobody := cloudprovider.NewFleet(unasked{}, cloudprovider.FleetOptions{DryRun: true})
		r, err := Examine(t.Context(), ExamineOptions{Survey: &Survey{Reader: reader, Fleet: nobody, ControlPlane: "v1.36.3"}})
		if err != nil {
			t.Fatal(err)
		}
		want := []UnseenReport{
			{"daemonsets.apps", ReasonNotPermitted, "", []string{"system-pods", "oke-daemonsets"}},
			{"leases.coordination.k8s.io", ReasonNotPermitted, "", []string{"lease", "clock-ahead"}},
			{"nativepodnetworks.oci.oraclecloud.com", ReasonUnreadable, "", []string{"pod-network"}},
			{"oke", ReasonNotAsked, "", []string{"instance-gone", "instance-stopped", "registration", "subnet-addresses", "promised-capacity", "maintenance", "preemption", "kubelet-config", "pool-drift", "release"}},
			{"pools.tidemill.dev", ReasonNotInstalled, "", nil},
			{"volumeattachments.storage.k8s.io", ReasonNotPermitted, "", []string{"volume-attachments"}},
		}
		if diff := cmp.Diff(want, r.Unseen, cmpopts.IgnoreFields(UnseenReport{}, "Message")); diff != "" {
			t.Error(diff)
		}
		if r.Nodes[0].Node != "n1" || r.Nodes[0].Verdict.Reason != "Ready" || r.ExitCode(Fail) != ExitFindings || len(r.Brakes) > 0 {
			t.Errorf("n1 is not Ready, and the report says %+v, brakes %v", r.Nodes[0], r.Brakes)
		}
		var b strings.Builder
		if err := r.WriteText(&b, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		golden(t, "unseen.txt", b.String())
		reader.kinds["*v1.NodeList"] = forbiddenTo("nodes")
		if r, err := Examine(t.Context(), ExamineOptions{Survey: &Survey{Reader: reader, Fleet: nobody}}); !apierrors.IsForbidden(err) {
			t.Errorf("without nodes: %v, %v", r, err)
		}
	})
}

// unasked is a cloud that nobody said how to ask.
type unasked struct{ cloudprovider.Provider }

func (unasked) Pools(context.Context) ([]cloudprovider.NodePool, error) {
	return nil, fmt.Errorf("%w, as there is no flag", ErrNotAsked)
}

// A survey finds what an observer finds that reads everything whole.
func TestSurveyFindsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := sickness(t)
		c.Now = time.Now()
		for i := range c.Objects.Pods {
			c.Objects.Pods[i].DeletionTimestamp = nil // no fake API server takes them
		}
		p := open(t, c)
		whole, err := Examine(t.Context(), ExamineOptions{Observer: p.Observer, Reader: p.api})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Examine(t.Context(), ExamineOptions{Survey: &Survey{Reader: p.api, Fleet: p.Observer.Fleet, ControlPlane: c.controlPlane}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A crowd answers as its pods would, one by one, whatever they are like.
func TestCrowdAnswersAsItsPods(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newClinic()
		for i := range 3 {
			c.addNode(fmt.Sprintf("n%d", i))
		}
		c.addDaemonSet("csi-oci-node", "system-node-critical")
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "pick") }
		for i := range rapid.IntRange(1, 25).Draw(rt, "pods") {
			anyPod(c, fmt.Sprintf("p%d", i), pick)
		}
		plain := c.Snapshot()
		plain.ControlPlane = c.controlPlane
		whole := c.findings(rt, plain)
		held := newCrowd()
		for i := range c.Objects.Pods {
			held.add(c.Objects.Pods[i].DeepCopy())
		}
		s := world.JoinPlaced(c.Objects, held.byNode(), c.Cloud, c.Now)
		s.ControlPlane = c.controlPlane
		if diff := cmp.Diff(whole, c.findings(rt, s)); diff != "" {
			rt.Error(diff)
		}
	})
}

func (c *clinic) findings(t interface{ Context() context.Context }, s *world.Snapshot) [][]Finding {
	var out [][]Finding
	look := NewLook(s, c.leases, nil, nil)
	for _, x := range Judge(t.Context(), look, &Runner{Checks: Checks(), Timeout: time.Second, OneShot: true}, Policy{}) {
		out = append(out, x.Findings)
	}
	return out
}

// anyPod is a pod in any state, of few owners and images so that they meet.
func anyPod(c *clinic, name string, pick func(int) int) {
	p := c.AddPod(name, "0", "0", worldtest.On(fmt.Sprintf("n%d", pick(3))))
	if pick(2) == 0 {
		p.Namespace = metav1.NamespaceSystem
	}
	p.Spec.HostNetwork = pick(3) == 0
	p.Status.Phase = []corev1.PodPhase{corev1.PodRunning, corev1.PodRunning, corev1.PodPending, corev1.PodFailed, corev1.PodSucceeded}[pick(5)]
	ago := func() metav1.Time { return metav1.NewTime(c.Now.Add(-time.Duration(pick(40)) * time.Minute)) }
	if pick(8) == 0 {
		at := ago()
		p.DeletionTimestamp = &at
	}
	if owner := []string{"", "kube-proxy", "csi-oci-node", "web"}[pick(4)]; owner != "" {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet", Name: owner, UID: types.UID("uid-" + owner), Controller: new(bool)}}
		*p.OwnerReferences[0].Controller = pick(5) > 0
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReady, corev1.PodReadyToStartContainers, corev1.DisruptionTarget}[:pick(4)] {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, LastTransitionTime: ago(),
			Status: []corev1.ConditionStatus{corev1.ConditionTrue, corev1.ConditionTrue, corev1.ConditionFalse}[pick(3)]})
	}
	for range pick(3) {
		s := corev1.ContainerStatus{Image: fmt.Sprintf("app:%d", pick(3))}
		if pick(3) > 0 {
			s.State.Running = &corev1.ContainerStateRunning{}
		} else {
			s.State.Waiting = &corev1.ContainerStateWaiting{Reason: []string{"ImagePullBackOff", "CrashLoopBackOff"}[pick(2)]}
		}
		if pick(4) == 0 {
			p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, s)
		} else {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, s)
		}
	}
}

// A list of pages that grows too old is begun anew, and nobody is counted twice;
// one page that never comes ends in its time.
func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, x := range []struct {
			name    string
			expires int // so many times, at the second page
			hangs   bool
			wrong   func(error) bool
			want    int
		}{
			{"two pages", 0, false, nil, 2},
			{"expired once", 1, false, nil, 2},
			{"expired twice", 2, false, nil, 2},
			{"expires for ever", 3, false, apierrors.IsResourceExpired, 0},
			{"hangs", 0, true, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, 0},
		} {
			var got []corev1.Node
			s := &Survey{Reader: &paged{t: t, expires: x.expires, hangs: x.hangs}}
			begin := time.Now()
			got, err := s.nodes(t.Context())
			if x.wrong == nil && (err != nil || len(got) != x.want) || x.wrong != nil && !x.wrong(err) {
				t.Errorf("%s: %d nodes, %v", x.name, len(got), err)
			}
			if took := time.Since(begin); took > pageWithin {
				t.Errorf("%s: took %s", x.name, took)
			}
		}
	})
}

// paged has one Node on each of two pages.
type paged struct {
	client.Reader
	t       *testing.T
	expires int
	hangs   bool
}

func (p *paged) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(opts)
	nodes := list.(*corev1.NodeList)
	if o.Limit != pageOfNodes {
		p.t.Errorf("a page of %d", o.Limit)
	}
	if o.Continue == "" {
		nodes.Items, nodes.Continue = []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}, "more"
		return nil
	}
	if p.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if p.expires > 0 {
		p.expires--
		return apierrors.NewResourceExpired("too old")
	}
	nodes.Items = []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "n2"}}}
	return nil
}
