package sim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

// scrawled is one annotation that somebody wrote, and has to be found again.
type scrawled struct {
	kind string
	object
	key, value string
}

// object is which one.
type object struct{ namespace, name string }

// bell is text that a terminal obeys: it clears the screen, rings, and turns the
// direction of reading.
const bell = "\x1b[2J\x1b[31m\a\u202e\u009b1m\r\nlevel=INFO msg=forged\u0000"

// much is most of what an object's annotations may be together.
var much = strings.Repeat("x", 200<<10)

// texts are what people write where something else is expected, the most harmless
// first. All of it is UTF-8: nothing else passes the API server.
var texts = []string{
	"false", "", "true", " False ", "perhaps", "no", "-1h", "2h", "292277026596y", "1e400", "NaN", "-1", "200%", "9223372036854775808", "null", "{}", "[]",
	"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "+292277026596-12-04T15:30:07Z", "9999-12-31T23:59:59Z after 9223372036854775807 timeouts",
	"v1.34.2\n", "v999.999.999", "v1.34.1", "latest", "skip", "wait", "doctor/", "doctor/replace/ready/yesterday", "doctor/replace/ready/2000-01-01T00:00:00Z", "doctor/explode/" + bell + "/2000-01-01T00:00:00Z",
	"%s%n%!d(BADINDEX)", "../../../etc/passwd", bell, strings.Repeat("[", 10<<10), `[{"action":"replace","check":"` + "\u202e" + `","at":"9999-12-31T23:59:59Z"}]`, `[{"at":"0001-01-01T00:00:00Z"}]`, much,
}

// Keys that tidemill reads, by what they stand on.
var (
	nodeKeys = []string{v1alpha1.AnnotationDoNotDisrupt, v1alpha1.AnnotationCycle, v1alpha1.AnnotationDisruption, v1alpha1.AnnotationUnneededSince, v1alpha1.AnnotationSkippedUntil,
		v1alpha1.AnnotationRepairs, v1alpha1.AnnotationRenewed, v1alpha1.AnnotationScaleDownKept, v1alpha1.AnnotationScaleDownDisabled, v1alpha1.AnnotationPause, "example.com/anything"}
	podKeys  = []string{v1alpha1.AnnotationDoNotDisrupt, v1alpha1.AnnotationDrain, v1alpha1.AnnotationSafeToEvict, v1alpha1.AnnotationSafeToEvictLocal, v1alpha1.AnnotationScaleUpDelay, "example.com/anything"}
	poolKeys = []string{v1alpha1.AnnotationApprove, v1alpha1.AnnotationCycle, v1alpha1.AnnotationUpgradeTo, v1alpha1.AnnotationPause, v1alpha1.AnnotationAbort, v1alpha1.AnnotationRollback, "example.com/anything"}
)

// scrawlNode writes into a key of a Node; it may be a mark that is well made and
// speaks of another Node, or of this one, or as much as there is room for.
func (w *World) scrawlNode() {
	n := w.alive()
	if n == nil {
		return
	}
	switch w.tape.Pick(8) {
	case 0, 1:
		w.write("nodes", n, v1alpha1.AnnotationDisruption, forged(n, "00000000-0000-4000-8000-999999999999"))
	case 2:
		w.write("nodes", n, v1alpha1.AnnotationDisruption, forged(n, string(n.UID)))
	case 3:
		w.write("nodes", n, "example.com/brimful", brim(n))
	case 4:
		w.api.Edit(n, func(o client.Object) { forgeVerdicts(o.(*corev1.Node)) })
		w.unsay(n)
	case 5:
		w.api.Edit(n, func(o client.Object) { o.GetLabels()[v1alpha1.LabelExcludeBalancers] = "somebody" })
	default:
		w.write("nodes", n, nodeKeys[w.tape.Pick(len(nodeKeys))], texts[w.tape.Pick(len(texts))])
	}
}

// forged is a mark of a Node that has been drained, of this one or another. It does
// not say that the cordon is tidemill's: who writes that, asks for it to be lifted.
func forged(n *corev1.Node, uid string) string {
	at := time.Now().Add(-time.Hour).UTC()
	text, err := json.Marshal(kube.Mark{Cause: kube.CauseCycle, Reason: "Outdated", Message: bell, Since: at, DrainStarted: &at, Drained: &at, InstanceID: n.Spec.ProviderID, NodeUID: uid})
	if err != nil {
		panic(err) // strings and times always marshal
	}
	return string(text)
}

// brim fills what is left of that, so that there is no room for a mark.
func brim(n *corev1.Node) string {
	left := validation.TotalAnnotationSizeLimitB - len("example.com/brimful") - 10
	for k, v := range n.Annotations {
		left -= len(k) + len(v)
	}
	return strings.Repeat("x", max(left, 0))
}

// forgeVerdicts is a kubelet that says of itself what the doctor or the agent should.
func forgeVerdicts(n *corev1.Node) {
	for i := range n.Status.Conditions {
		if c := &n.Status.Conditions[i]; c.Type == v1alpha1.NodeConditionProblem {
			c.Status, c.Reason, c.Message = corev1.ConditionTrue, "Forged", bell
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == v1alpha1.NodeConditionHost {
			return
		}
	}
	n.Status.Conditions = append(n.Status.Conditions, corev1.NodeCondition{Type: v1alpha1.NodeConditionHost, Status: "Perhaps", Reason: "Forged", Message: "fail=" + bell + "@-1; " + much[:4<<10]})
}

func (w *World) scrawlPod() {
	pods := w.podsOf(w.apps[w.tape.Pick(len(w.apps))].name)
	if len(pods) == 0 {
		return
	}
	p := pods[w.tape.Pick(len(pods))]
	w.write("pods", p, podKeys[w.tape.Pick(len(podKeys))], texts[w.tape.Pick(len(texts))])
}

// scrawlPool writes into a key of a Pool, which some of them may: what it asks for is
// an order, if it can be understood, and the books know of it.
func (w *World) scrawlPool() {
	id := w.anyPool()
	key, value := poolKeys[w.tape.Pick(len(poolKeys))], texts[w.tape.Pick(len(texts))]
	p := w.poolObject(id)
	if p == nil {
		return
	}
	was, there := p.Annotations[key]
	if !w.write("pools", p, key, value) || there && was == value {
		return
	}
	switch key {
	case v1alpha1.AnnotationPause:
		if _, already := w.books.paused[id]; value == "false" {
			delete(w.books.paused, id)
		} else if !already {
			w.books.paused[id] = time.Now()
		}
	case v1alpha1.AnnotationAbort:
		if w.books.aborted[id] = time.Now(); value == "" { // it was taken off, perhaps unseen
			delete(w.books.aborted, id)
		}
	}
}

// write sets an annotation, if the API server would let it, and says whether it did.
func (w *World) write(kind string, o client.Object, key, value string) bool {
	all := maps.Clone(o.GetAnnotations())
	if all == nil {
		all = map[string]string{}
	}
	if all[key] = value; validation.ValidateAnnotationsSize(all) != nil {
		return false
	}
	if n, ok := o.(*corev1.Node); ok && key == v1alpha1.AnnotationDisruption {
		w.disown(n)
	}
	w.harm.scrawl = append(w.harm.scrawl, scrawled{kind, object{o.GetNamespace(), o.GetName()}, key, value})
	w.note("hostile: %s of %s %s is now %.60q, %d bytes", key, kind, o.GetName(), value, len(value))
	return w.api.Edit(o, func(o client.Object) { set(o, key, value) })
}

// erase takes off what was written, where it still stands; requests of a Pool stay,
// they have had or will have an answer.
func (w *World) erase() {
	for _, s := range w.harm.scrawl {
		o := w.api.Find(s.kind, s.namespace, s.name)
		if o == nil || s.kind == "pools" && s.key != v1alpha1.AnnotationPause && s.key != "example.com/anything" {
			continue
		}
		w.api.Edit(o, func(o client.Object) {
			for _, key := range []string{s.key, v1alpha1.AnnotationScaleDownDisabled} { // which is given back as it was found
				if a := o.GetAnnotations(); a[key] == s.value {
					delete(a, key)
				}
			}
		})
	}
	w.harm.scrawl = nil
	for _, id := range w.pools {
		if p := w.poolObject(id); p != nil {
			if v, ok := p.Annotations[v1alpha1.AnnotationPause]; !ok || v == "false" {
				delete(w.books.paused, id)
			}
		}
	}
	w.api.Each("nodes", func(o client.Object) {
		if o.GetLabels()[v1alpha1.LabelExcludeBalancers] == "somebody" {
			w.api.Edit(o, func(o client.Object) { delete(o.GetLabels(), v1alpha1.LabelExcludeBalancers) })
		}
	})
}

// Scrawls are the texts, for whoever wants to know that a real API server takes them.
func Scrawls() []string { return slices.Clone(texts) }
