package e2e

import (
	"fmt"
	"slices"
	"strings"
)

// Story is the foundation's story, in order. Each step brings what it needs, so
// that one can be told alone; told in a row, each plays in what the last one left.
var Story = []Step{
	{"a", "60 pending pods: the right pool grows by exactly the nodes needed", grow},
	{"b", "a GPU pod wakes the empty GPU pool", wakeGPU},
	{"c", "out of host capacity: the next pool serves, the failed growth is taken back", outOfCapacity},
	{"d", "an annotation turns the pool over to " + firstUpgrade + " under load", upgrade},
	{"e", "SIGKILL in the middle of the turn-over to " + secondUpgrade + ": restarted, it finishes", upgradeKilled},
	{"f", "a kubelet dies: the doctor names it, repair replaces the node", repair},
	{"g", "the load goes: pools shrink to their minimum, no mark is left", shrink},
}

// The pools begin two minor versions behind the control plane.
const (
	firstUpgrade  = "v1.34.2"
	secondUpgrade = "v1.35.0"
)

// The workloads of the story. Nine pods of web fit on a node of workers.
var (
	web   = Workload{Name: "web", Replicas: 60, Requests: ask("400m", "1Gi"), Selector: map[string]string{"kubernetes.io/arch": "amd64"}, Spare: 10}
	train = Workload{Name: "train", Replicas: 1, Requests: gpus(1), Tolerate: "nvidia.com/gpu"}
	// One pod of batch nearly fills a node of arm. A node of workers takes one too
	// and would have half of its processors idle, so that arm is the better choice.
	batch = Workload{Name: "batch", Replicas: 3, Requests: ask("1700m", "8Gi")}
)

// Pick chooses steps of the story by their IDs, in the story's order; none means
// all.
func Pick(ids []string) ([]Step, error) {
	if len(ids) == 0 {
		return Story, nil
	}
	var known []string
	for _, s := range Story {
		known = append(known, s.ID)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("the story has no step %q: there are %s", id, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(Story), func(s Step) bool { return !slices.Contains(ids, s.ID) }), nil
}
