// Package whatif adds to a recorded look what is not there yet: pods, workloads
// with the pods that their controllers would make, Pools, and what the nodes of
// a node pool that does not exist would look like.
//
//	YAML ─► Parse ─► Change ─► Apply to a record.Record ─► Snapshot ─► the verbs decide as ever
//
// Nothing decides differently for it: the changed record is joined like any
// other. So the answer to "what if" is the plan that would be made.
//
// Pods come on top of those that run; they get what admission would give them as
// far as decisions look at it (a scheduler's name, requests where only limits are
// given). A Pool takes the place of the one that stands for the same node pool. A
// Pool whose node pool the cloud does not have needs a Node beside it with the
// annotation [AnnotationTemplateOf]: one for each availability domain, told apart
// by the label topology.kubernetes.io/zone.
package whatif

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Annotations of a Node in a what-if file.
const (
	// AnnotationTemplateOf names the Pool whose new nodes look like this one.
	AnnotationTemplateOf = "tidemill.dev/template-of"
	// AnnotationPrice is what such a node costs, in US dollars an hour.
	AnnotationPrice = "tidemill.dev/price"
)

// Bounds of a file.
const (
	maxBytes = 16 << 20
	maxPods  = 100_000
)

// Change is what a file adds.
type Change struct {
	// Workloads are the pods by what they belong to, in the file's order.
	Workloads  []Workload
	Pools      []v1alpha1.Pool
	Templates  []corev1.Node
	DaemonSets []appsv1.DaemonSet
	PDBs       []policyv1.PodDisruptionBudget
	// Claims, ClaimTemplates and Classes are what pods that ask for devices go by.
	Claims         []resourcev1.ResourceClaim
	ClaimTemplates []resourcev1.ResourceClaimTemplate
	Classes        []resourcev1.DeviceClass
}

// Workload is pods of one owner, or one pod.
type Workload struct {
	Kind string
	Meta metav1.ObjectMeta
	Pod  corev1.PodTemplateSpec
	// Count is how many pods there are to be.
	Count int
}

// Pods is the number of all pods.
func (c Change) Pods() (n int) {
	for _, w := range c.Workloads {
		n += w.Count
	}
	return n
}

// Parse reads a file of YAML documents. Kinds that decide nothing here are
// errors: a typo would otherwise be an answer to another question.
func Parse(r io.Reader) (Change, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return Change{}, err
	}
	if len(text) > maxBytes {
		return Change{}, fmt.Errorf("it is larger than %d MiB", maxBytes>>20)
	}
	var c Change
	docs := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for i := 1; ; i++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(bytes.TrimSpace(doc)) > 0 {
			err = c.add(doc)
		}
		if err != nil {
			return Change{}, fmt.Errorf("document %d: %s", i, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
	if c.Pods() > maxPods {
		return Change{}, fmt.Errorf("it asks for %d pods, more than %d", c.Pods(), maxPods)
	}
	if c.Pods() == 0 && len(c.Pools)+len(c.DaemonSets)+len(c.PDBs) == 0 {
		return Change{}, errors.New("it adds nothing: no pod, workload, DaemonSet, PodDisruptionBudget or Pool is in it")
	}
	return c, nil
}

// add reads one document.
func (c *Change) add(doc []byte) error {
	var head metav1.TypeMeta
	if err := sigsyaml.Unmarshal(doc, &head); err != nil {
		return err
	}
	switch head.Kind {
	case "":
		var nothing map[string]any
		if err := sigsyaml.Unmarshal(doc, &nothing); err == nil && len(nothing) == 0 {
			return nil // a comment between two lines of dashes
		}
		return errors.New("it has no kind")
	case "List":
		return c.addList(doc)
	case "Pool":
		return into(doc, &c.Pools)
	case "Node":
		return c.addTemplate(doc)
	case "DaemonSet":
		return into(doc, &c.DaemonSets)
	case "PodDisruptionBudget":
		return into(doc, &c.PDBs)
	case "ResourceClaim":
		return into(doc, &c.Claims)
	case "ResourceClaimTemplate":
		return into(doc, &c.ClaimTemplates)
	case "DeviceClass":
		return into(doc, &c.Classes)
	}
	return c.addWorkload(head.Kind, doc)
}

func (c *Change) addList(doc []byte) error {
	var list struct {
		Items []map[string]any `json:"items"`
	}
	if err := sigsyaml.Unmarshal(doc, &list); err != nil {
		return err
	}
	for i, item := range list.Items {
		if item["kind"] == "List" {
			return fmt.Errorf("item %d is a list in a list", i+1)
		}
		text, err := sigsyaml.Marshal(item)
		if err == nil {
			err = c.add(text)
		}
		if err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return nil
}

func (c *Change) addTemplate(doc []byte) error {
	if err := into(doc, &c.Templates); err != nil {
		return err
	}
	n := &c.Templates[len(c.Templates)-1]
	if n.Annotations[AnnotationTemplateOf] == "" {
		return fmt.Errorf("node %q has no annotation %s that names a Pool: single nodes cannot be added, pools add them", n.Name, AnnotationTemplateOf)
	}
	return nil
}

// addWorkload reads what makes pods.
func (c *Change) addWorkload(kind string, doc []byte) error {
	var w Workload
	var err error
	switch kind {
	case "Pod":
		var p corev1.Pod
		err = sigsyaml.UnmarshalStrict(doc, &p)
		w = Workload{kind, p.ObjectMeta, corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}, 1}
	case "Deployment":
		var d appsv1.Deployment
		err = sigsyaml.UnmarshalStrict(doc, &d)
		w = Workload{kind, d.ObjectMeta, d.Spec.Template, number(d.Spec.Replicas)}
	case "ReplicaSet":
		var d appsv1.ReplicaSet
		err = sigsyaml.UnmarshalStrict(doc, &d)
		w = Workload{kind, d.ObjectMeta, d.Spec.Template, number(d.Spec.Replicas)}
	case "StatefulSet":
		var d appsv1.StatefulSet
		err = sigsyaml.UnmarshalStrict(doc, &d)
		w = Workload{kind, d.ObjectMeta, d.Spec.Template, number(d.Spec.Replicas)}
	case "Job":
		var j batchv1.Job
		err = sigsyaml.UnmarshalStrict(doc, &j)
		w = Workload{kind, j.ObjectMeta, j.Spec.Template, together(&j.Spec)}
	case "CronJob":
		var j batchv1.CronJob
		err = sigsyaml.UnmarshalStrict(doc, &j)
		w = Workload{kind, j.ObjectMeta, j.Spec.JobTemplate.Spec.Template, together(&j.Spec.JobTemplate.Spec)}
	default:
		return fmt.Errorf("a %.60s is nothing that the plan depends on", kind)
	}
	if err != nil {
		return err
	}
	return c.addPods(w)
}

func (c *Change) addPods(w Workload) error {
	switch {
	case w.Meta.Name == "":
		return fmt.Errorf("a %s has no name", w.Kind)
	case len(w.Pod.Spec.Containers) == 0:
		return fmt.Errorf("the pods of %s %s have no containers", w.Kind, w.Meta.Name)
	case w.Count < 0 || w.Count > maxPods:
		return fmt.Errorf("%s %s asks for %d pods; from 0 to %d can be tried", w.Kind, w.Meta.Name, w.Count, maxPods)
	}
	c.Workloads = append(c.Workloads, w)
	return nil
}

// into reads a document strictly: a misspelt field is an error.
func into[T any](doc []byte, list *[]T) error {
	var v T
	if err := sigsyaml.UnmarshalStrict(doc, &v); err != nil {
		return err
	}
	if m, ok := any(&v).(metav1.Object); ok && m.GetName() == "" {
		return errors.New("it has no name")
	}
	*list = append(*list, v)
	return nil
}

func number(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// together is how many pods of a Job run at one time.
func together(s *batchv1.JobSpec) int {
	n := number(s.Parallelism)
	if s.Completions != nil {
		n = min(n, int(*s.Completions))
	}
	return n
}

// Title is what people call the workload, "Deployment shop/web".
func (w Workload) Title() string {
	namespace := w.Meta.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	kind := w.Kind
	if kind == "CronJob" {
		kind = "Job" // its pods are a Job's
	}
	return fmt.Sprintf("%s %s/%s", kind, namespace, w.Meta.Name)
}
