package kube_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// A mark that can be read is this Node's, and survives being written again: a
// daemon that reads what another wrote goes on from the same place.
func FuzzMark(f *testing.F) {
	n := fixture()
	kube.SetMark(n, kube.Mark{Cause: kube.CauseCycle, Reason: "Outdated", Since: time.Unix(1, 0), Cordoned: true})
	f.Add(n.Annotations[v1alpha1.AnnotationDisruption])
	for _, seed := range []string{"", "null", "{}", "[]", `{"nodeUID":"uid"}`, `{"cause":7}`, `{"since":"yesterday"}`, strings.Repeat("[", 20000),
		`{"nodeUID":"uid","reason":"\u001b[2J","message":"\u202e","since":"9999-12-31T23:59:59Z"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := fixture()
		n.Annotations = map[string]string{v1alpha1.AnnotationDisruption: text}
		m, err := kube.MarkOf(n)
		if err != nil || m == nil {
			return
		}
		if m.NodeUID != string(n.UID) {
			t.Errorf("%q is the mark of %q", text, m.NodeUID)
		}
		kube.SetMark(n, *m)
		once, err := kube.MarkOf(n)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, n.Annotations[v1alpha1.AnnotationDisruption], err)
		}
		kube.SetMark(n, *once)
		if twice, err := kube.MarkOf(n); err != nil || !cmp.Equal(once, twice) {
			t.Errorf("%q changes each time it is written: %v\n%s", text, err, cmp.Diff(once, twice))
		}
		if size := len(n.Annotations[v1alpha1.AnnotationDisruption]); size > len(text)+8192 {
			t.Errorf("a mark of %d bytes has grown to %d", len(text), size)
		}
		kube.Unmark(n)
		if _, left := n.Annotations[v1alpha1.AnnotationDisruption]; left {
			t.Error("the mark is left")
		}
	})
}

// A request of the doctor's that can be read means the same when it is written
// again, and one that cannot be read asks for nothing.
func FuzzRepairRequest(f *testing.F) {
	for _, seed := range []string{"", "now", "doctor/", "doctor/reboot/ready/2026-03-01T11:49:00Z", "doctor/replace//2026-03-01T11:49:00Z",
		"doctor/delete-all/ready/2026-03-01T11:49:00Z", "doctor/reboot/a/b/2026-03-01T11:49:00Z", "doctor/reboot/ready/0000-00-00T00:00:00Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r, asked, err := kube.ParseRepairRequest(value)
		if asked != strings.HasPrefix(value, kube.RepairPrefix) {
			t.Errorf("%q: asked is %v", value, asked)
		}
		if !asked || err != nil {
			if r.Action != "" {
				t.Errorf("%q asks for %s, and %v", value, r.Action, err)
			}
			return
		}
		back, _, err := kube.ParseRepairRequest(r.String())
		if err != nil || back.Action != r.Action || back.Check != r.Check || !back.Since.Equal(r.Since.Truncate(time.Second)) {
			t.Errorf("%q is written %q and read %+v: %v", value, r, back, err)
		}
	})
}

// A record that can be read is bounded when it is written, and keeps the newest.
func FuzzRepairRecord(f *testing.F) {
	for _, seed := range []string{"", "[]", "null", `[{"action":"reboot","check":"ready","at":"2026-03-01T11:49:00Z"}]`, `[{}]`, `{"a":1}`, "[" + strings.Repeat("{},", 500) + "{}]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := &corev1.Node{}
		n.Annotations = map[string]string{v1alpha1.AnnotationRepairs: text}
		r, err := kube.RepairRecordOf(n)
		if err != nil {
			return
		}
		kube.SetRepairRecord(n, r)
		back, err := kube.RepairRecordOf(n)
		if err != nil || len(back) > 8 || len(back) > len(r) {
			t.Fatalf("%d attempts, then %d: %v", len(r), len(back), err)
		}
		if want := r[len(r)-len(back):]; len(back) > 0 && !cmp.Equal(want, back) || len(back) < min(len(r), 8) {
			t.Errorf("%q: the newest are not kept: %v", text, back)
		}
	})
}
