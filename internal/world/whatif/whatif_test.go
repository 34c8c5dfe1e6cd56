package whatif

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/internal/world/record"
	"github.com/tidemill/tidemill/internal/world/worldtest"
)

const shop = `
# a shop, and a pool of large machines for it
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: x, resources: {limits: {cpu: "2", memory: 1Gi}}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: load}
spec:
  parallelism: 10
  completions: 4
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: x, resources: {requests: {cpu: 500m}}}]
---
apiVersion: tidemill.dev/v1alpha1
kind: Pool
metadata: {name: large}
spec: {nodePoolID: large, scale: {minSize: 0, maxSize: 5}}
---
apiVersion: v1
kind: Node
metadata:
  name: large-1
  labels: {topology.kubernetes.io/zone: AD-2}
  annotations: {tidemill.dev/template-of: large, tidemill.dev/price: "0.75"}
status: {allocatable: {cpu: "16", memory: 64Gi}}
---
apiVersion: tidemill.dev/v1alpha1
kind: Pool
metadata: {name: workers}
spec: {nodePoolID: workers, scale: {minSize: 2, maxSize: 40}}
`

func recorded() record.Record {
	w := worldtest.New()
	w.AddPool("workers", "4", "16Gi", worldtest.Scale(1, 9))
	w.AddNode("workers", "n1")
	return record.Of(w.Snapshot())
}

func TestApply(t *testing.T) {
	c, err := Parse(strings.NewReader(shop))
	if err != nil {
		t.Fatal(err)
	}
	r := recorded()
	if err := c.Apply(&r); err != nil {
		t.Fatal(err)
	}
	s := r.Snapshot()
	if c.Pods() != 7 || len(s.Pending) != 7 {
		t.Fatalf("%d pods in the file, %d pending, want 7: 3 replicas and the 4 that a Job has at one time", c.Pods(), len(s.Pending))
	}
	if len(s.Pools) != 2 || len(s.Orphans) != 0 {
		t.Fatalf("%d pools, orphans %v", len(s.Pools), s.Orphans)
	}
	large, workers := s.Pools[0], s.Pools[1]
	if pl := large.Cloud.Placements; len(pl) != 1 || pl[0].Zone != "AD-2" || pl[0].Price != 0.75 || pl[0].Template.Status.Allocatable.Pods().Value() != 110 {
		t.Errorf("pool large has the placements %+v", pl)
	}
	if got := workers.ScaleSpec().MaxSize; got != 40 {
		t.Errorf("pool workers may have %d nodes, want the file's 40", got)
	}
	for _, p := range s.Pending {
		if p.Namespace == "shop" && p.Spec.Containers[0].Resources.Requests.Cpu().String() != "2" {
			t.Errorf("pod %s asks for %v, want its limit", p.Name, p.Spec.Containers[0].Resources.Requests)
		}
		if p.Spec.SchedulerName != corev1.DefaultSchedulerName || p.UID == "" {
			t.Errorf("pod %s has scheduler %q and UID %q", p.Name, p.Spec.SchedulerName, p.UID)
		}
	}
}

func TestMistakesAreSaid(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing":        {"# nothing\n---\n", "adds nothing"},
		"no YAML":        {"a: [", "document 1"},
		"unknown kind":   {"kind: Service\nmetadata: {name: a}", "a Service is nothing that the plan depends on"},
		"no kind":        {"metadata: {name: a}", "no kind"},
		"misspelt":       {"kind: Pod\nmetadata: {name: a}\nspec: {container: []}", "container"},
		"no containers":  {"kind: Pod\nmetadata: {name: a}", "no containers"},
		"no name":        {"kind: Pod\nspec: {containers: [{name: a}]}", "no name"},
		"too many":       {"kind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2000000, template: {spec: {containers: [{name: a}]}}}", "can be tried"},
		"a node alone":   {"kind: Node\nmetadata: {name: a}", "tidemill.dev/template-of"},
		"a list in list": {"kind: List\nitems: [{kind: List}]", "list in a list"},
	}
	for name, test := range tests {
		_, err := Parse(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, test.want)
		}
	}
}

func TestPoolsNeedTemplates(t *testing.T) {
	pool := "kind: Pool\nmetadata: {name: big}\nspec: {nodePoolID: big, scale: {minSize: 0, maxSize: 1}}\n"
	node := "---\nkind: Node\nmetadata: {name: b, annotations: {tidemill.dev/template-of: big%s}}\nstatus: {allocatable: {%s}}\n"
	tests := map[string]struct{ text, want string }{
		"none":         {pool, "add a Node with the annotation"},
		"of another":   {strings.ReplaceAll(pool, "nodePoolID: big", "nodePoolID: workers") + strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(node, "big%s", "bog"), "%s", "cpu: 1, memory: 1"), "b,", "b,"), "not in the file"},
		"no memory":    {pool + strings.Replace(strings.Replace(node, "%s", "", 1), "%s", "cpu: 1", 1), "must say how much cpu and memory"},
		"absurd price": {pool + strings.Replace(strings.Replace(node, "%s", ", tidemill.dev/price: NaN", 1), "%s", "cpu: 1, memory: 1", 1), "no amount of US dollars"},
	}
	for name, test := range tests {
		c, err := Parse(strings.NewReader(test.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := recorded()
		if err := c.Apply(&r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// FuzzParse: whatever the text, Parse gives an error of one line or a change that
// can be applied or is refused.
func FuzzParse(f *testing.F) {
	f.Add(shop)
	f.Add("kind: List\nitems: [{kind: Pod, metadata: {name: a}, spec: {containers: [{name: a}]}}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(strings.NewReader(text))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has several lines", err)
			}
			return
		}
		if c.Pods() > 1000 {
			return
		}
		r := recorded()
		if c.Apply(&r) == nil {
			r.Snapshot()
		}
	})
}
