package world_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

// Whatever protects a node, in doubt it is protected: only "false" and a time
// that is over let it go.
func FuzzDoNotDisrupt(f *testing.F) {
	for _, seed := range []string{"true", "false", "2h", "-1h", "", "yes", "1e9h", "9223372036854775807ns", "PT60M", "2562047h47m16.854775807s", "\x00"} {
		f.Add(seed, int64(3600))
	}
	born := worldtest.Now
	f.Fuzz(func(t *testing.T, value string, age int64) {
		now := born.Add(time.Duration(age%1e9) * time.Second)
		protected, malformed := world.DoNotDisrupt(map[string]string{v1alpha1.AnnotationDoNotDisrupt: value}, born, now)
		if malformed && !protected {
			t.Errorf("%q is malformed and protects nothing", value)
		}
		d, err := time.ParseDuration(value)
		over := err == nil && d >= 0 && now.Sub(born) >= d
		if !protected && value != "false" && !over {
			t.Errorf("%q protects nothing after %s", value, now.Sub(born))
		}
	})
}

// everyKey is every annotation that tidemill reads of a Node.
var everyKey = []string{
	v1alpha1.AnnotationCycle, v1alpha1.AnnotationDoNotDisrupt, v1alpha1.AnnotationDisruption, v1alpha1.AnnotationUnneededSince,
	v1alpha1.AnnotationSkippedUntil, v1alpha1.AnnotationRepairs, v1alpha1.AnnotationRenewed, v1alpha1.AnnotationScaleDownKept,
	v1alpha1.AnnotationScaleDownDisabled, v1alpha1.AnnotationNodePoolID,
}

// Whatever a hostile node says of itself, one Node is one node of one pool or of
// none, it never takes the machine of another, and every other node is as if it
// were not there.
func FuzzNode(f *testing.F) {
	f.Add("oci://ocid1.instance.oc1..aaaan1", "now", "workers", true)
	f.Add("ocid1.instance.oc1..aaaan2", `{"nodeUID":"uid-evil"}`, "", false)
	f.Add("", strings.Repeat("x", 300000), "\x1b]0;x\x07", true)
	f.Add("aws:///eu-west-1a/i-0abc", "2h", "ocid1.nodepool.oc1..aaaaworkers", false)
	f.Fuzz(func(t *testing.T, providerID, value, label string, ready bool) {
		w := worldtest.New()
		w.AddPool("workers", "4", "16Gi", worldtest.Scale(0, 10))
		w.AddNode("workers", "n1")
		w.AddNode("workers", "n2")
		before := w.Snapshot()
		evil := w.AddNode("workers", "evil", func(n *corev1.Node) {
			n.Spec.ProviderID = providerID
			n.Labels[corev1.LabelTopologyZone], n.Labels[v1alpha1.LabelFaultDomain] = label, label
			for _, key := range everyKey {
				n.Annotations[key] = value
			}
			if !ready {
				n.Status.Conditions = nil
			}
		})
		after := w.Snapshot()
		for _, name := range []string{"n1", "n2"} {
			a, b := nodeOf(before, name), nodeOf(after, name)
			if a == nil || b == nil {
				t.Fatalf("%s: before %v, after %v", name, a != nil, b != nil)
			}
			if world.ProviderID(evil) == world.ProviderID(a.Object) {
				continue // two Nodes that claim one machine: nobody can tell them apart
			}
			if a.Instance == nil || b.Instance == nil || a.Instance.ID != b.Instance.ID || a.Stage() != b.Stage() {
				t.Errorf("%s is another node since %q came", name, providerID)
			}
		}
		seen := 0
		for _, n := range all(after) {
			if n.Name() == "evil" && n.Object != nil {
				seen++
			}
		}
		if seen > 1 {
			t.Errorf("one Node is %d nodes", seen)
		}
	})
}

func nodeOf(s *world.Snapshot, name string) *world.Node {
	for _, n := range all(s) {
		if n.Name() == name && n.Object != nil {
			return n
		}
	}
	return nil
}

// all are the snapshot's nodes, of pools and of none.
func all(s *world.Snapshot) []*world.Node {
	list := slices.Clone(s.Unmanaged)
	for _, p := range s.Pools {
		list = append(list, p.Nodes...)
	}
	return list
}
