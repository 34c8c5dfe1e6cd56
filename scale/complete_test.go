package scale

import (
	"strings"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/scale/buffer"
	"github.com/tidemill/tidemill/scale/choose"
)

// Whoever plans by hand sees the plan that the daemon makes: with its rules, and
// with room for what does not exist.
func TestCompleteIsWhatTheDaemonDecidesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.Live, p.Policy.Expander, p.Wishes = p.api, "priority", &buffer.Source{Live: p.api}
		p.pool("a", 0, "ZONE-A", 0, 20)
		p.pool("b", 0, "ZONE-B", 0, 20)
		p.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: choose.PriorityConfigMap},
			Data: map[string]string{choose.PrioritiesKey: "10: [^a$]\n20: [^b$]"}},
			&corev1.PodTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}, Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: requests3}}},
			}}},
			wishObject("CapacityBuffer", "v1beta1", "room", map[string]any{"podTemplateRef": map[string]any{"name": "web"}, "replicas": int64(2)}))
		p.pods("one", 1, "3")
		p.look() // conditions of pools are written
		s, err := p.Observer.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		whole, policy, err := Complete(t.Context(), p.api, &buffer.Source{Live: p.api}, "", s, Policy{Expander: "priority"})
		if err != nil {
			t.Fatal(err)
		}
		if len(whole.Pending) != len(s.Pending)+2 {
			t.Errorf("%d pods wait, want 2 more than %d", len(whole.Pending), len(s.Pending))
		}
		byHand, err := Decide(whole, policy)
		if err != nil {
			t.Fatal(err)
		}
		daemon, err := p.Once(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "plan", strings.Split(byHand.String(), "\n"), strings.Split(daemon.String(), "\n"))
	})
}

// What cannot be read is said, and the rest holds.
func TestCompleteSaysWhatItCouldNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		p.create(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ops", Name: choose.PriorityConfigMap},
			Data: map[string]string{choose.PrioritiesKey: "10: ['(']"}})
		s, err := p.Observer.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for namespace, want := range map[string]string{"ops": "missing closing )", "": "not found"} {
			got, policy, err := Complete(t.Context(), p.api, &buffer.Source{Live: p.api}, namespace, s, Policy{Expander: "least-waste,priority"})
			if err == nil || !strings.Contains(err.Error(), want) || got == nil || !policy.Priorities.Empty() {
				t.Errorf("namespace %q: error %v, want %q", namespace, err, want)
			}
		}
	})
}
