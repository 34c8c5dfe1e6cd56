package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

func heard(b *bell) bool {
	select {
	case <-b.C:
		return true
	default:
		return false
	}
}

func TestBell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBell(settle)
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		for range 1000 {
			b.ring()
		}
		if heard(b) {
			t.Error("heard before it settled")
		}
		pass(settle)
		if !heard(b) || heard(b) {
			t.Error("a thousand rings at once are not one")
		}
		b.ring()
		pass(settle)
		if heard(b) {
			t.Error("heard again within the gap")
		}
		pass(gap - settle)
		if !heard(b) {
			t.Error("the second ring was lost")
		}
		// Nobody listens: rings neither block nor pile up.
		for range 10 {
			b.ring()
			pass(gap)
		}
		if !heard(b) || heard(b) {
			t.Error("rings piled up")
		}
	})
}

// A loop that breaks is begun again, later each time, and ends when it is told.
func TestLoopGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Duration
		start, broke := time.Now(), 0
		l := &loop{name: "test", log: slog.New(slog.DiscardHandler), pause: time.Second, broke: func() { broke++ }}
		l.run = func(ctx context.Context) error {
			began = append(began, time.Since(start))
			switch len(began) {
			case 1:
				return errors.New("broken")
			case 2:
				panic("worse")
			case 3:
				return nil // ended by itself
			case 4:
				time.Sleep(2 * longestPause) // was well for a while
				return errors.New("broken")
			}
			<-ctx.Done()
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Start(ctx) }()
		time.Sleep(time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Start = %v", err)
		}
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 8*time.Second + 2*longestPause}
		if len(began) != len(want) || broke != 4 {
			t.Fatalf("began at %v, broke %d times; want %v", began, broke, want)
		}
		for i := range want {
			if began[i] != want[i] {
				t.Errorf("began at %v, want %v", began, want)
			}
		}
	})
}

// What beats wakes nobody; what matters wakes whom it concerns.
func TestWhoIsWoken(t *testing.T) {
	node := func(edit func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
		edit(n)
		return n
	}
	pod := func(on, reason string) *corev1.Pod {
		p := &corev1.Pod{Spec: corev1.PodSpec{NodeName: on}}
		if reason != "" {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason}}
		}
		return p
	}
	pool := func(edit func(*v1alpha1.Pool)) *v1alpha1.Pool {
		p := &v1alpha1.Pool{}
		edit(p)
		return p
	}
	keepNode, keepPool := func(*corev1.Node) {}, func(*v1alpha1.Pool) {}
	tests := []struct {
		name string
		ring func(b *bells)
		want string // m, s, c, d
	}{
		{"a heartbeat", func(b *bells) {
			b.nodes().OnUpdate(node(keepNode), node(func(n *corev1.Node) { n.Status.Conditions[0].LastHeartbeatTime = metav1.Now() }))
		}, ""},
		{"not ready any more", func(b *bells) {
			b.nodes().OnUpdate(node(keepNode), node(func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionUnknown }))
		}, "mscd"},
		{"a request on a node", func(b *bells) {
			b.nodes().OnUpdate(node(keepNode), node(func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha1.AnnotationCycle: "1"} }))
		}, "mscd"},
		{"a node that went while nobody watched", func(b *bells) {
			b.nodes().OnDelete(toolscache.DeletedFinalStateUnknown{Obj: node(keepNode)})
		}, "mscd"},
		{"a pod that waits", func(b *bells) { b.pods().OnAdd(pod("", ""), false) }, "s"},
		{"a pod that runs", func(b *bells) { b.pods().OnAdd(pod("n", ""), false) }, ""},
		{"a pod that cannot be scheduled", func(b *bells) { b.pods().OnUpdate(pod("", ""), pod("", corev1.PodReasonUnschedulable)) }, "s"},
		{"a pod that still cannot", func(b *bells) {
			b.pods().OnUpdate(pod("", corev1.PodReasonUnschedulable), pod("", corev1.PodReasonUnschedulable))
		}, ""},
		{"a pod that left its node", func(b *bells) { b.pods().OnDelete(pod("n", "")) }, "sc"},
		{"a pod that never had one", func(b *bells) { b.pods().OnDelete(pod("", "")) }, ""},
		{"a spec", func(b *bells) {
			b.pools().OnUpdate(pool(keepPool), pool(func(p *v1alpha1.Pool) { p.Generation = 2 }))
		}, "mscd"},
		{"the mirror's own writing", func(b *bells) {
			b.pools().OnUpdate(pool(keepPool), pool(func(p *v1alpha1.Pool) { p.Status.Activity, p.ResourceVersion = "growing", "2" }))
		}, "c"},
		{"a list that was read again", func(b *bells) { b.pools().OnUpdate(pool(keepPool), pool(keepPool)) }, ""},
		{"a run that goes on", func(b *bells) {
			run := func(replaced int32) *v1alpha1.Pool {
				return pool(func(p *v1alpha1.Pool) {
					p.Status.Cycle = &v1alpha1.CycleStatus{Desired: 3, Replaced: replaced}
				})
			}
			b.pools().OnUpdate(run(1), run(2))
		}, "m"},
		{"a run that began", func(b *bells) {
			b.pools().OnUpdate(pool(keepPool), pool(func(p *v1alpha1.Pool) { p.Status.Cycle = &v1alpha1.CycleStatus{Request: "x"} }))
		}, "mc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBells()
				test.ring(b)
				time.Sleep(gap)
				synctest.Wait()
				got := ""
				for _, x := range []struct {
					name string
					bell *bell
				}{{"m", b.mirror}, {"s", b.scale}, {"c", b.cycle}, {"d", b.doctor}} {
					if heard(x.bell) {
						got += x.name
					}
				}
				if got != test.want {
					t.Errorf("woken: %q, want %q", got, test.want)
				}
			})
		})
	}
}
