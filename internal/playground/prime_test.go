package playground

import (
	"context"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

// Without prime this ends the process with "concurrent map writes": not every
// time, but in a start of many. With it, stages are compiled side by side.
func TestStagesAreCompiledSideBySide(t *testing.T) {
	c := &Cluster{opts: Options{}.withDefaults()}
	stages, err := c.stages()
	if err != nil {
		t.Fatal(err)
	}
	if err := prime(t.Context(), stages); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		for kind, list := range stages {
			fresh, err := lifecycle.NewLifecycle(list)
			if err != nil {
				t.Fatal(err)
			}
			var object any = &corev1.Pod{}
			if kind.Kind == "Node" {
				object = &corev1.Node{}
			}
			all.Go(func() {
				if _, err := fresh.Match(context.Background(), &lifecycle.Event{Data: object}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
}
