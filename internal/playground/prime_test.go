package playground

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

const primeChild = "PLAYGROUND_TEST_PRIME_CHILD"

// What prime prevents ends the process, and only a fresh process can show it:
// once the types are known, nothing writes any more. Without prime about one in
// eight dies of "concurrent map writes".
func TestStagesAreCompiledSideBySide(t *testing.T) {
	if os.Getenv(primeChild) != "" {
		compileSideBySide(t)
		return
	}
	for i := range 30 {
		child := exec.Command(os.Args[0], "-test.run=^TestStagesAreCompiledSideBySide$")
		child.Env = append(os.Environ(), primeChild+"=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("process %d: %v\n%.300s", i+1, err, out)
		}
	}
}

func compileSideBySide(t *testing.T) {
	c := &Cluster{opts: Options{}.withDefaults()}
	stages, err := c.stages()
	if err != nil {
		t.Fatal(err)
	}
	if err := prime(t.Context(), stages); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	begin := make(chan struct{})
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
				<-begin
				if _, err := fresh.Match(context.Background(), &lifecycle.Event{Data: object}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	close(begin)
	all.Wait()
}
