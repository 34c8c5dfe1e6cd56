package playground

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

// primed guards the maps that [prime] fills: clusters may start side by side in
// one process.
var primed sync.Mutex

// prime compiles every stage once before kwok does. kwok compiles a stage when
// it first meets an object, for Nodes and pods in goroutines of their own, and a
// library below it notes each Go type that it sees in a map of the process
// without a lock: the two then sometimes write at once, and the process is gone.
// Compiled once before, the types are known, and later nobody writes.
func prime(ctx context.Context, byKind map[internalversion.StageResourceRef][]*internalversion.Stage) error {
	primed.Lock()
	defer primed.Unlock()
	for kind, stages := range byKind {
		var object any = &corev1.Pod{}
		if kind.Kind == "Node" {
			object = &corev1.Node{}
		}
		for _, stage := range stages {
			compiled, err := lifecycle.NewLifecycle([]*internalversion.Stage{stage})
			if err == nil {
				_, err = compiled.Match(ctx, &lifecycle.Event{Data: object})
			}
			if err != nil {
				return fmt.Errorf("compile stage %s: %w", stage.Name, err)
			}
		}
	}
	return nil
}
