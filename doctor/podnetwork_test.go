package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
)

// npnLister answers lists of NativePodNetworks, one object a page.
type npnLister struct {
	client.Reader
	objects []string
	err     error
}

func (l npnLister) List(_ context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if l.err != nil {
		return l.err
	}
	var o client.ListOptions
	for _, opt := range opts {
		opt.ApplyToList(&o)
	}
	at := 0
	_, _ = fmt.Sscan(o.Continue, &at)
	if at >= len(l.objects) {
		return nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(l.objects[at]), &object); err != nil {
		return err
	}
	u := list.(*unstructured.UnstructuredList)
	u.Items = []unstructured.Unstructured{{Object: object}}
	if at+1 < len(l.objects) {
		u.SetContinue(fmt.Sprint(at + 1))
	}
	return nil
}

// agingLister gives an answer of 410 to the second part of its first list, as an API server
// does that was compacted in between.
type agingLister struct {
	npnLister
	expired *bool
}

func (l agingLister) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var o client.ListOptions
	for _, opt := range opts {
		opt.ApplyToList(&o)
	}
	if o.Continue != "" && !*l.expired {
		*l.expired = true
		return apierrors.NewResourceExpired("too old")
	}
	return l.npnLister.List(ctx, list, opts...)
}

// A list that has become too old between two parts is begun anew.
func TestPodNetworksOfACompactedServer(t *testing.T) {
	expired := false
	got := ReadPodNetworks(t.Context(), agingLister{npnLister{objects: []string{npn(mine, "SUCCESS", "", "10.0.0.1"), npn("other", "SUCCESS", "", "10.0.0.2")}}, &expired})
	if !expired || got.Err != nil || len(got.Of) != 2 {
		t.Errorf("%+v after a list that expired (%t)", got, expired)
	}
}

const mine = "ocid1.instance.oc1..mine"

func npn(id, state, reason string, addresses ...string) string {
	return fmt.Sprintf(`{"spec":{"id":%q},"status":{"state":%q,"reason":%q,"vnics":[{"vnicId":"v","addresses":["%s"]}]}}`, id, state, reason, strings.Join(addresses, `","`))
}

func TestPodNetwork(t *testing.T) {
	now := time.Now()
	group := schema.GroupResource{Group: "oci.oraclecloud.com", Resource: "nativepodnetworks"}
	other := npn("ocid1.instance.oc1..other", "SUCCESS", "", "10.0.0.1")
	for name, tt := range map[string]struct {
		lister npnLister
		pods   int
		state  State
		reason string
		says   string
	}{
		"room, on the second page":  {npnLister{objects: []string{other, npn(mine, "SUCCESS", "", "10.0.0.2", "10.0.0.3", "fd00::1")}}, 1, Pass, "", "1 of 2"},
		"nearly none":               {npnLister{objects: []string{npn(mine, "SUCCESS", "", "10.0.0.2")}}, 1, Fail, "PodAddressesNearlyUsedUp", "1 of 1"},
		"of the newer family alone": {npnLister{objects: []string{npn(mine, "SUCCESS", "", "fd00::1", "fd00::2")}}, 1, Pass, "", "1 of 2"},
		"no addresses":              {npnLister{objects: []string{npn(mine, "SUCCESS", "", "garbage")}}, 0, Fail, "NoPodAddresses", "0"},
		"cloud refuses":             {npnLister{objects: []string{npn(mine, "BACKOFF", "subnet is full")}}, 0, Fail, "PodNetworkBackoff", "BACKOFF"},
		"takes long":                {npnLister{objects: []string{npn(mine, "IN_PROGRESS", "")}}, 0, Warn, "PodNetworkNotDone", "IN_PROGRESS"},
		"another's only":            {npnLister{objects: []string{other}}, 0, Unknown, ReasonNotFound, ""},
		"none":                      {npnLister{}, 0, Skip, ReasonNotApplicable, ""},
		"no such kind":              {npnLister{err: &meta.NoKindMatchError{}}, 0, Skip, ReasonNotApplicable, ""},
		"kind was taken away":       {npnLister{err: apierrors.NewNotFound(group, "")}, 0, Skip, ReasonNotApplicable, ""},
		"no right":                  {npnLister{err: apierrors.NewForbidden(group, "", nil)}, 0, Unknown, ReasonNotPermitted, ""},
		"broken":                    {npnLister{err: apierrors.NewInternalError(fmt.Errorf("etcd"))}, 0, Unknown, ReasonUnreadable, ""},
		"of another shape":          {npnLister{objects: []string{`{"spec":{"id":"` + mine + `"},"status":{"state":7,"vnics":[3,{"addresses":[1]}]}}`}}, 0, Warn, "PodNetworkNotDone", ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := &world.Node{Object: &corev1.Node{}}
			n.Object.CreationTimestamp = metav1.NewTime(now.Add(-24 * time.Hour))
			n.Object.Spec.ProviderID = mine
			for range tt.pods {
				n.Pods = append(n.Pods, &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodRunning}}, &corev1.Pod{Spec: corev1.PodSpec{HostNetwork: true}}, &corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodFailed}})
			}
			f := podNetwork.Run(t.Context(), Patient{Now: now, Node: n, Look: &Look{PodNetworks: ReadPodNetworks(t.Context(), tt.lister)}})
			if f.State != tt.state || f.Reason != tt.reason || tt.says != "" && f.Observed != tt.says {
				t.Errorf("got %s %s, observed %q: %s", f.State, f.Reason, f.Observed, f.Message)
			}
		})
	}
}

func TestRuntimeAdvisories(t *testing.T) {
	for runtime, want := range map[string]string{
		"cri-o://1.26.3": "CVE-2024-3154", "cri-o://1.27.6": "", "cri-o://1.28.5": "CVE-2024-3154", "cri-o://1.28.6": "CVE-2024-5154", "cri-o://1.28.7": "",
		"cri-o://1.29.4": "CVE-2024-5154", "cri-o://1.29.1-3.el8": "CVE-2024-3154", "cri-o://1.30.0": "CVE-2024-5154", "cri-o://1.34.2": "",
		"cri-o://garbage": ReasonUnreadable, "containerd://1.6.0": ReasonNotApplicable, "": ReasonNotApplicable,
	} {
		n := &world.Node{Object: &corev1.Node{}}
		n.Object.Status.NodeInfo.ContainerRuntimeVersion = runtime
		f := runtimeAdvisories.Run(t.Context(), Patient{Node: n})
		holds := strings.HasPrefix(want, "CVE")
		if (f.State == Info) != holds || holds && !strings.HasPrefix(f.Message, want) || !holds && f.Reason != want {
			t.Errorf("%s: %s %s %q, want %q", runtime, f.State, f.Reason, f.Message, want)
		}
	}
}

func TestAttachments(t *testing.T) {
	now := time.Now()
	pv := "pv-1"
	long, short := metav1.NewTime(now.Add(-time.Hour)), metav1.NewTime(now.Add(-time.Minute))
	wrong := &storagev1.VolumeError{Message: "volume is attached to another instance"}
	for name, tt := range map[string]struct {
		change func(*storagev1.VolumeAttachment)
		says   string
	}{
		"attached":     {func(a *storagev1.VolumeAttachment) { a.Status.Attached = true }, ""},
		"just wanted":  {func(a *storagev1.VolumeAttachment) { a.CreationTimestamp, a.Status.AttachError = short, wrong }, ""},
		"never came":   {func(a *storagev1.VolumeAttachment) { a.Status.AttachError = wrong }, "pv-1 does not come: volume is attached to another instance"},
		"just leaving": {func(a *storagev1.VolumeAttachment) { a.Status.Attached, a.DeletionTimestamp = true, &short }, ""},
		"stays":        {func(a *storagev1.VolumeAttachment) { a.Status.Attached, a.DeletionTimestamp = true, &long }, "pv-1 does not leave"},
		"another's":    {func(a *storagev1.VolumeAttachment) { a.Spec.NodeName = "n2" }, ""},
	} {
		a := &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "a", CreationTimestamp: long}}
		a.Spec.NodeName, a.Spec.Source.PersistentVolumeName = "n1", &pv
		tt.change(a)
		n := &world.Node{Object: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}
		f := attachments.Run(t.Context(), Patient{Now: now, Node: n, Look: &Look{Snapshot: &world.Snapshot{Attachments: []*storagev1.VolumeAttachment{a}}}})
		if f.Message != tt.says || (f.State == Warn) != (tt.says != "") {
			t.Errorf("%s: %s %q, want %q", name, f.State, f.Message, tt.says)
		}
	}
}
