package scale

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	cloudfake "github.com/tidemill/tidemill/cloudprovider/fake"
)

// A node that has registered and is not up yet is not let go for its machine's age by a
// process that has just begun: the cloud's clock may have been set since it dated it.
func TestANodeThatComesUpIsWatchedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, cloudfake.Latency{})
		id := p.pool("workers", 1, "AD-1", 0, 3)
		time.Sleep(26 * time.Hour) // as a clock that was set tells it
		p.join(id)
		var nodes corev1.NodeList
		if err := p.api.List(t.Context(), &nodes); err != nil || len(nodes.Items) != 1 {
			t.Fatalf("%d nodes, %v", len(nodes.Items), err)
		}
		n := &nodes.Items[0]
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now()}}
		if err := p.api.Status().Update(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		for minute := range 27 {
			plan := p.look()
			if gone := strings.Contains(plan.String(), string(NeverReady)); gone != (minute > 25) {
				t.Errorf("after %d minutes:\n%s", minute, plan)
			}
			time.Sleep(time.Minute)
		}
	})
}
