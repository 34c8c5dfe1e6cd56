package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// A bell wakes one loop. A ring is heard a moment later, so that what comes with
// it is seen by the same look, and rings are at least gap apart: a thousand pods
// that come at once are one look, or two.
type bell struct {
	C      chan struct{} // capacity 1
	settle time.Duration

	mu     sync.Mutex // guards the fields below
	heard  time.Time
	rising bool
}

// settle is how long a ring waits for company, gap how often events alone make
// a loop look. The mirror waits longer: it tells what the verbs do about an
// event, and a status that it writes meanwhile would only make theirs conflict.
const (
	settle       = 100 * time.Millisecond
	settleMirror = 400 * time.Millisecond
	gap          = 500 * time.Millisecond
)

func newBell(settle time.Duration) *bell { return &bell{C: make(chan struct{}, 1), settle: settle} }

func newBells() *bells {
	return &bells{mirror: newBell(settleMirror), scale: newBell(settle), cycle: newBell(settle), doctor: newBell(settle)}
}

// ring never blocks.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rising {
		return
	}
	b.rising = true
	time.AfterFunc(max(b.settle, gap-time.Since(b.heard)), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.rising, b.heard = false, time.Now()
		select {
		case b.C <- struct{}{}:
		default: // one is waiting to be heard already
		}
	})
}

// bells are all of them.
type bells struct{ mirror, scale, cycle, doctor *bell }

func ring(list ...*bell) {
	for _, b := range list {
		b.ring()
	}
}

// watch starts an informer for everything that a look reads, and rings for what
// a loop waits for. What has not changed in a way that matters rings nothing:
// tidemill's own heartbeats must not wake it.
func watch(ctx context.Context, c cache.Cache) (*bells, error) {
	b := newBells()
	handlers := []struct {
		object  client.Object
		handler toolscache.ResourceEventHandler
	}{
		{&corev1.Pod{}, b.pods()},
		{&corev1.Node{}, b.nodes()},
		{&v1alpha1.Pool{}, b.pools()},
		{&policyv1.PodDisruptionBudget{}, b.budgets()},
		// The others are read by every look and wait for nobody.
		{&appsv1.DaemonSet{}, nil}, {&corev1.Namespace{}, nil}, {&corev1.PersistentVolumeClaim{}, nil},
		{&corev1.PersistentVolume{}, nil}, {&storagev1.StorageClass{}, nil}, {&storagev1.CSINode{}, nil},
		{&corev1.Service{}, nil}, {&storagev1.VolumeAttachment{}, b.attachments()},
	}
	for _, h := range handlers {
		informer, err := c.GetInformer(ctx, h.object)
		if errors.Is(err, errUnreadable) {
			continue // the charter has told of it
		}
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", h.object, err)
		}
		if h.handler == nil {
			continue
		}
		if _, err := informer.AddEventHandler(h.handler); err != nil {
			return nil, fmt.Errorf("watch %T: %w", h.object, err)
		}
	}
	return b, nil
}

// podsOf is the informer whose pods looks share; nil where the cache has none that
// can be shared: looks read copies then.
func podsOf(ctx context.Context, c cache.Cache) world.PodInformer {
	informer, err := c.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return nil
	}
	shared, _ := informer.(world.PodInformer)
	return shared
}

// pods: one that waits for a node wakes scaling; one that has left a node wakes
// whoever drains.
func (b *bells) pods() toolscache.ResourceEventHandler {
	left := func(p *corev1.Pod) {
		if p.Spec.NodeName != "" {
			ring(b.cycle, b.scale)
		}
	}
	return handle(func(p *corev1.Pod) {
		if p.Spec.NodeName == "" {
			ring(b.scale)
		}
	}, func(old, new *corev1.Pod) {
		if new.Spec.NodeName == "" && unschedulable(new) && !unschedulable(old) {
			ring(b.scale)
		}
		if ended(new) && !ended(old) {
			left(new)
		}
	}, left)
}

func unschedulable(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// nodes: one that comes, goes, or changes in what decisions read.
func (b *bells) nodes() toolscache.ResourceEventHandler {
	all := func(*corev1.Node) { ring(b.mirror, b.scale, b.cycle, b.doctor) }
	return handle(all, func(old, new *corev1.Node) {
		if nodeChanged(old, new) {
			all(new)
		}
	}, all)
}

// nodeChanged leaves out what beats like a heart: times and messages of
// conditions, images, sizes of logs.
func nodeChanged(old, new *corev1.Node) bool {
	return !equality.Semantic.DeepEqual(old.Spec, new.Spec) ||
		!equality.Semantic.DeepEqual(old.Labels, new.Labels) ||
		!equality.Semantic.DeepEqual(old.Annotations, new.Annotations) ||
		!equality.Semantic.DeepEqual(old.Status.Allocatable, new.Status.Allocatable) ||
		old.Status.NodeInfo.KubeletVersion != new.Status.NodeInfo.KubeletVersion ||
		!equality.Semantic.DeepEqual(statuses(old), statuses(new))
}

func statuses(n *corev1.Node) map[corev1.NodeConditionType]corev1.ConditionStatus {
	m := make(map[corev1.NodeConditionType]corev1.ConditionStatus, len(n.Status.Conditions))
	for _, c := range n.Status.Conditions {
		m[c.Type] = c.Status
	}
	return m
}

// pools: what a person wrote wakes everybody; a record that a verb wrote wakes
// the mirror, which tells it. What others than the cycle write wakes the cycle:
// its own writing may have been refused for it, and is tried again at once.
func (b *bells) pools() toolscache.ResourceEventHandler {
	all := func(*v1alpha1.Pool) { ring(b.mirror, b.scale, b.cycle, b.doctor) }
	return handle(all, func(old, new *v1alpha1.Pool) {
		switch {
		case old.Generation != new.Generation || !equality.Semantic.DeepEqual(old.Annotations, new.Annotations):
			all(new)
		case !equality.Semantic.DeepEqual(old.Status.Cycle, new.Status.Cycle), !equality.Semantic.DeepEqual(old.Status.LastCycle, new.Status.LastCycle):
			ring(b.mirror)
			if desired(old) != desired(new) { // scaling raised it
				ring(b.cycle)
			}
		case old.ResourceVersion != new.ResourceVersion:
			ring(b.cycle)
		}
	}, all)
}

func desired(p *v1alpha1.Pool) int32 {
	if p.Status.Cycle == nil {
		return -1
	}
	return p.Status.Cycle.Desired
}

// budgets: a PDB that allows a disruption again lets a drain go on.
func (b *bells) budgets() toolscache.ResourceEventHandler {
	return handle(nil, func(old, new *policyv1.PodDisruptionBudget) {
		if new.Status.DisruptionsAllowed > old.Status.DisruptionsAllowed {
			ring(b.cycle, b.scale)
		}
	}, func(*policyv1.PodDisruptionBudget) { ring(b.cycle, b.scale) })
}

// attachments: a volume that was detached lets the next pod with one go.
func (b *bells) attachments() toolscache.ResourceEventHandler {
	return handle(nil, nil, func(*storagev1.VolumeAttachment) { ring(b.cycle) })
}

// handle makes a typed handler; a nil function hears nothing.
func handle[T any](added func(T), changed func(old, new T), deleted func(T)) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if t, ok := o.(T); ok && added != nil {
				added(t)
			}
		},
		UpdateFunc: func(o, n any) {
			old, ok := o.(T)
			if new, ok2 := n.(T); ok && ok2 && changed != nil {
				changed(old, new)
			}
		},
		DeleteFunc: func(o any) {
			// A deletion that was missed comes with the last state known.
			if lost, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = lost.Obj
			}
			if t, ok := o.(T); ok && deleted != nil {
				deleted(t)
			}
		},
	}
}
