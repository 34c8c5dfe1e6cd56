package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

func TestPoolOutlook(t *testing.T) {
	const request = v1alpha1.AnnotationUpgradeTo + "=v1.35.0"
	run := &v1alpha1.CycleStatus{Request: request, Desired: 3, Stale: 2, Replaced: 1}
	last := func(request, outcome, message string) *v1alpha1.LastCycleStatus {
		return &v1alpha1.LastCycleStatus{Request: request, Outcome: outcome, Message: message, Replaced: 3}
	}
	release := &v1alpha1.ReleaseStatus{Kubernetes: "v1.35.0"}
	upToDate := []metav1.Condition{{Type: v1alpha1.ConditionUpToDate, Status: metav1.ConditionTrue}}
	tests := []struct {
		name     string
		status   v1alpha1.PoolStatus
		want     string
		done, ok bool
	}{
		{"nothing yet", v1alpha1.PoolStatus{}, "asked; waiting for the daemon", false, false},
		{"an older run's end", v1alpha1.PoolStatus{LastCycle: last(v1alpha1.AnnotationUpgradeTo+"=v1.34.0", "Succeeded", "")}, "asked; waiting", false, false},
		{"under way", v1alpha1.PoolStatus{Cycle: run, Ready: 3, Draining: 1}, "1 of 3 replaced, 3 of 3 ready, 1 draining", false, false},
		{"succeeded", v1alpha1.PoolStatus{LastCycle: last(request, "Succeeded", "")}, "Succeeded, 3 replaced", true, true},
		{"refused", v1alpha1.PoolStatus{LastCycle: last(request, "Refused", "too new")}, "Refused: too new", true, false},
		{"refused before, and asked for anew", v1alpha1.PoolStatus{LastCycle: &v1alpha1.LastCycleStatus{Request: request, Outcome: "Refused", Seen: []string{world.TakenOffKey(request)}}}, "asked; waiting", false, false},
		{"aborted", v1alpha1.PoolStatus{LastCycle: last(request, "Aborted", "no surge")}, "Aborted: no surge", true, false},
		{"aborted before, tried again", v1alpha1.PoolStatus{LastCycle: last(request, "Aborted", ""), Cycle: run}, "1 of 3 replaced", false, false},
		{"nothing to do", v1alpha1.PoolStatus{Release: release, Conditions: upToDate}, "every node runs v1.35.0", true, true},
		{"the release alone is not the nodes", v1alpha1.PoolStatus{Release: release, Outdated: 3}, "asked; waiting", false, false},
	}
	for _, test := range tests {
		p := &v1alpha1.Pool{Status: test.status}
		p.Annotations = map[string]string{v1alpha1.AnnotationUpgradeTo: "v1.35.0"}
		got := poolOutlook(p, v1alpha1.AnnotationUpgradeTo, "v1.35.0", "v1.35.0")
		if !strings.HasPrefix(got.text, test.want) || got.done != test.done || got.ok != test.ok {
			t.Errorf("%s: %+v, want %q %v %v", test.name, got, test.want, test.done, test.ok)
		}
	}
	// A plain request may be answered by a run that was under way for another.
	p := &v1alpha1.Pool{Status: v1alpha1.PoolStatus{LastCycle: &v1alpha1.LastCycleStatus{Request: request, CycleSeen: "now", Outcome: "Succeeded"}}}
	if got := poolOutlook(p, v1alpha1.AnnotationCycle, "now", ""); !got.done || !got.ok {
		t.Errorf("answered along with another: %+v", got)
	}
	if got := poolOutlook(&v1alpha1.Pool{}, v1alpha1.AnnotationCycle, "now", ""); !got.done || got.ok {
		t.Errorf("annotation taken off: %+v", got)
	}
}

func TestNodeOutlook(t *testing.T) {
	at := time.Now()
	pool := &v1alpha1.Pool{Status: v1alpha1.PoolStatus{Cycle: &v1alpha1.CycleStatus{Blocked: []v1alpha1.BlockedNode{{Node: "n", Reason: "DrainBlocked", Message: "PDB web"}}}}}
	node := func(mark *kube.Mark) *corev1.Node {
		n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "u", Annotations: map[string]string{v1alpha1.AnnotationCycle: "now"}}}
		if mark != nil {
			kube.SetMark(n, *mark)
		}
		return n
	}
	for want, n := range map[string]*corev1.Node{
		"asked; waiting for the daemon; DrainBlocked: PDB web": node(nil),
		"waiting for its turn; DrainBlocked":                   node(&kube.Mark{}),
		"draining; DrainBlocked":                               node(&kube.Mark{DrainStarted: &at}),
		"empty; its machine is being deleted":                  node(&kube.Mark{DrainStarted: &at, Drained: &at}),
	} {
		if got := nodeOutlook(n, pool, "now"); !strings.HasPrefix(got.text, want) || got.done {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	if got := nodeOutlook(node(nil), pool, "earlier"); !got.done || got.ok {
		t.Errorf("another request: %+v", got)
	}
	if got := nodeOutlook(node(nil), nil, "now"); !got.done || got.ok {
		t.Errorf("a node of no pool: %+v", got)
	}
}

func TestAwait(t *testing.T) {
	away := errors.New("connection refused")
	steps := func(list ...func() (outlook, error)) watcher {
		i := -1
		return func(context.Context) (outlook, error) {
			i = min(i+1, len(list)-1)
			return list[i]()
		}
	}
	say := func(text string) func() (outlook, error) {
		return func() (outlook, error) { return outlook{text: text}, nil }
	}
	end := func(ok bool) func() (outlook, error) {
		return func() (outlook, error) { return outlook{text: "the end", done: true, ok: ok}, nil }
	}
	fail := func() (outlook, error) { return outlook{}, away }
	tests := []struct {
		name    string
		watcher watcher
		timeout time.Duration
		code    int
		out     string
		talk    string
	}{
		{"to a good end", steps(say("1 of 2"), say("1 of 2"), say("2 of 2"), end(true)), 0, exitOK, "workers: the end\n", "workers: 1 of 2\nworkers: 2 of 2\n"},
		{"to a bad end", steps(say("1 of 2"), end(false)), 0, exitNo, "", "workers: 1 of 2\n"},
		{"over a restart of the API server", steps(say("1 of 2"), fail, fail, end(true)), 0, exitOK, "workers: the end\n", "workers: 1 of 2\nworkers: the API server does not answer, trying again\n"},
		{"until patience ends", fail2(fail), 0, exitNo, "", "workers: the API server does not answer, trying again\n"},
		{"until the timeout", steps(say("1 of 2")), time.Minute, exitNo, "", "workers: 1 of 2\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out, talk, errs bytes.Buffer
				g := &globals{stdout: &out, stderr: &talk}
				code := report(&errs, g.await(t.Context(), test.timeout, "workers", test.watcher))
				if code != test.code || out.String() != test.out || talk.String() != test.talk {
					t.Errorf("exit %d, stdout %q, talk %q; want %d, %q, %q", code, out.String(), talk.String(), test.code, test.out, test.talk)
				}
				if (code == exitOK) != (errs.Len() == 0) {
					t.Errorf("exit %d and said %q", code, errs.String())
				}
			})
		})
	}
}

func fail2(f func() (outlook, error)) watcher {
	return func(context.Context) (outlook, error) { return f() }
}
