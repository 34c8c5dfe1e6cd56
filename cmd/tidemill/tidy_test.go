package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidemill/tidemill/internal/world/lean"
)

// TestTidyForgetsWhatPodsSaidThatAreGone: by the next time after they have gone, and
// what pods say that live goes on being shared.
func TestTidyForgetsWhatPodsSaidThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pantry := lean.NewPantry()
		owners := func(name string) *metav1.OwnerReference {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Name: name}}}, Spec: corev1.PodSpec{NodeName: "n"}}
			pantry.Pod(pod)
			return &pod.OwnerReferences[0]
		}
		living := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Name: "set"}}}, Spec: corev1.PodSpec{NodeName: "n"}}
		pantry.Pod(living)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		pods := func(context.Context) ([]*corev1.Pod, error) { return []*corev1.Pod{living}, nil }
		go func() { _ = tidy{func(context.Context) bool { return true }, pods, pantry}.Start(ctx) }()
		synctest.Wait()
		job := owners("job")
		if owners("job") != job {
			t.Error("two pods of a Job do not share what they say")
		}
		time.Sleep(tidyEvery + time.Second)
		synctest.Wait()
		if owners("job") == job || owners("set") != &living.OwnerReferences[0] {
			t.Error("what is gone is kept, or what lives is not")
		}
		cancel()
	})
}
