package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leases answers lists of Leases, or with an error.
type leases struct {
	client.Reader
	items []coordinationv1.Lease
	err   error
}

func (l *leases) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	if o.FieldSelector == nil || o.FieldSelector.String() != "metadata.name=tidemill" {
		return errors.New("there is no right to list these")
	}
	list.(*coordinationv1.LeaseList).Items = l.items
	return l.err
}

func leaseOf(namespace, holder string, acquired, renewed time.Time) coordinationv1.Lease {
	seconds := int32(15)
	a, r := metav1.NewMicroTime(acquired), metav1.NewMicroTime(renewed)
	return coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &a, RenewTime: &r}}
}

// TestWhoWasFirst: of two installations one gives way, whichever of them asks.
func TestWhoWasFirst(t *testing.T) {
	now := time.Unix(10000, 0)
	early, late := tenant{"a", "x", now.Add(-time.Hour)}, tenant{"b", "y", now}
	for _, tt := range []struct {
		name, own string
		list      []tenant
		yields    bool
	}{
		{"alone", "a", []tenant{early}, false},
		{"nobody", "a", nil, false},
		{"first", "a", []tenant{late, early}, false},
		{"second", "b", []tenant{late, early}, true},
		{"not signed yet", "c", []tenant{late, early}, true},
		{"at one time, by name", "a", []tenant{{"a", "x", now}, late}, false},
		{"at one time, the other", "b", []tenant{{"a", "x", now}, late}, true},
	} {
		if _, yields := before(tt.list, tt.own); yields != tt.yields {
			t.Errorf("%s: yields is %t", tt.name, yields)
		}
	}
}

// TestIdentityTellsTheVersion, and one of before that tells none.
func TestIdentityTellsTheVersion(t *testing.T) {
	for id, want := range map[string]string{
		identity("tidemill-5d7_x", "1.2.3", "u-u"): "1.2.3", identity("h", "v0.0.0-2026_x+dirty", "u"): "v0.0.0-2026-x+dirty", "tidemill-5d7_3f0e": "", "": "",
	} {
		if got := (tenant{identity: id}).version(); got != want {
			t.Errorf("%q is version %q, want %q", id, got, want)
		}
	}
}

// TestNothingIsWrittenBeforeTheLook: the fence is shut until the neighbours were
// looked for; one that was first ends this one; a cluster that does not answer is
// asked again; a right that is missing does not keep a cluster from being served.
func TestNothingIsWrittenBeforeTheLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		mine := leaseOf("own", "h_1.0.0_u", now, now)
		l := &leases{items: []coordinationv1.Lease{mine}, err: errors.New("it is away")}
		n := &neighbours{client: l, own: "own", every: 15 * time.Second, log: slog.New(slog.DiscardHandler)}
		ended := make(chan error, 1)
		go func() { ended <- n.Start(t.Context()) }()
		synctest.Wait()
		if n.Check() == nil {
			t.Error("it writes without having looked")
		}
		l.err = nil
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if err := n.Check(); err != nil {
			t.Errorf("alone, and does not write: %v", err)
		}
		l.items = []coordinationv1.Lease{mine, leaseOf("gone", "g_1.0.0_u", now.Add(-time.Hour), now.Add(-time.Minute)), leaseOf("first", "f_0.9.0_u", now.Add(-time.Hour), now.Add(time.Minute))}
		err := <-ended
		var f *failure
		if !errors.As(err, &f) || !strings.Contains(err.Error(), "first/tidemill, version 0.9.0") || len(f.hints) == 0 {
			t.Errorf("beside another: %v", err)
		}
	})
	forbidden := &leases{err: apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "", errors.New("no"))}
	n := &neighbours{client: forbidden, own: "own", every: time.Second}
	if err := n.Start(t.Context()); err != nil || n.Check() != nil {
		t.Errorf("without the right: %v, %v", err, n.Check())
	}
	if err := meet(t.Context(), forbidden, "own", "1", nil); err != nil {
		t.Errorf("at the start, without the right: %v", err)
	}
}

// TestMeetingAtTheStart tells who leads, and ends beside another installation.
func TestMeetingAtTheStart(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name  string
		items []coordinationv1.Lease
		says  string
		fails bool
	}{
		{"nobody", nil, "", false},
		{"this version", []coordinationv1.Lease{leaseOf("own", "h_2.0.0_u", now, now)}, "", false},
		{"another version", []coordinationv1.Lease{leaseOf("own", "h_1.0.0_u", now, now)}, "version=1.0.0", false},
		{"one that does not say", []coordinationv1.Lease{leaseOf("own", "h_u", now, now)}, "a version before this one leads", false},
		{"elsewhere", []coordinationv1.Lease{leaseOf("other", "h_2.0.0_u", now, now)}, "", true},
		{"elsewhere, and gone", []coordinationv1.Lease{leaseOf("other", "h_2.0.0_u", now, now.Add(-time.Minute))}, "", false},
		{"beside a leader of ones own", []coordinationv1.Lease{leaseOf("other", "h_2.0.0_u", now, now), leaseOf("own", "h_2.0.0_u", now, now)}, "", false},
	} {
		var said strings.Builder
		err := meet(t.Context(), &leases{items: tt.items}, "own", "2.0.0", slog.New(slog.NewTextHandler(&said, nil)))
		if (err != nil) != tt.fails || !strings.Contains(said.String(), tt.says) || tt.says == "" && said.Len() > 0 {
			t.Errorf("%s: %v, said %q", tt.name, err, said.String())
		}
	}
}
