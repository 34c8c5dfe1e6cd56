package lean

import (
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// short is the pod of a Job that nothing else says the labels and the owner of.
func short(i int) *corev1.Pod {
	p, name := replica(i), fmt.Sprint("job-", i)
	p.Labels = map[string]string{"batch.kubernetes.io/job-name": name}
	p.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: name}}
	return p
}

// TestPantryKeepsWhatLives: of thousands of Jobs that have gone nothing is kept, and
// what pods hold that live is shared as before.
func TestPantryKeepsWhatLives(t *testing.T) {
	p, old := NewPantry(), replica(1)
	p.Pod(old)
	living := []*corev1.Pod{old}
	for i := range 3000 {
		pod := short(i)
		p.Pod(pod)
		if living = append(living, pod); len(living) > 10 {
			living = append(living[:1], living[2:]...) // nine run at a time
		}
	}
	p.Keep(living)
	labels, owners := len(p.labels.now)+len(p.labels.before), len(p.owners.now)+len(p.owners.before)
	if labels != len(living) || owners != len(living) || len(p.specs.now) != 1 || len(p.statuses.now) != 1 {
		t.Errorf("%d labels, %d owners, %d specs and %d statuses are kept, of %d pods", labels, owners, len(p.specs.now), len(p.statuses.now), len(living))
	}
	again := replica(2)
	p.Pod(again)
	if &again.Spec.Containers[0] != &old.Spec.Containers[0] || &again.Status.Conditions[0] != &old.Status.Conditions[0] ||
		&again.OwnerReferences[0] != &old.OwnerReferences[0] || place(again.Labels) != place(old.Labels) {
		t.Error("what lives is not shared any more")
	}
	p.Keep(nil)
	if n := len(p.labels.now) + len(p.owners.now) + len(p.specs.now) + len(p.statuses.now); n != 0 {
		t.Errorf("%d things of no pod are kept", n)
	}
}

// TestPantryIsTidiedWhileItWorks: to be run with -race.
func TestPantryIsTidiedWhileItWorks(_ *testing.T) {
	p := NewPantry()
	var mu sync.Mutex
	var store []*corev1.Pod
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 200 {
				pod := short(w*1000 + i%50)
				p.Pod(pod)
				mu.Lock()
				store = append(store, pod)
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			mu.Lock()
			pods := store[len(store)/2:]
			mu.Unlock()
			p.Keep(pods)
		}
	})
	wg.Wait()
}

func BenchmarkPod(b *testing.B) {
	pods := make([]*corev1.Pod, 20_000)
	for i := range pods {
		pods[i] = replica(i)
		if i%2 == 0 {
			pods[i] = short(i)
		}
	}
	b.ReportAllocs()
	p := NewPantry()
	for i := 0; b.Loop(); i++ {
		p.Pod(pods[i%len(pods)].DeepCopy())
	}
}

// BenchmarkKeep is of the pods of 2,000 nodes.
func BenchmarkKeep(b *testing.B) {
	p := NewPantry()
	pods := make([]*corev1.Pod, 60_000)
	for i := range pods {
		pods[i] = replica(i)
		if i%100 == 0 {
			pods[i] = short(i)
		}
		p.Pod(pods[i])
	}
	for b.Loop() {
		p.Keep(pods)
	}
}
