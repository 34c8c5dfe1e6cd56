package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// A version that was answered is asked for anew: taken off, and set again when the
// daemon has seen that. Without a daemon it is said.
func TestAnAnsweredVersionIsReopened(t *testing.T) {
	const key, version = v1alpha1.AnnotationUpgradeTo, "v1.35.0"
	for _, c := range []struct {
		name   string
		last   *v1alpha1.LastCycleStatus
		daemon bool
		stands bool // the annotation, afterwards
		want   string
	}{
		{"never asked for", nil, false, true, ""},
		{"refused", &v1alpha1.LastCycleStatus{Request: key + "=" + version, Outcome: "Refused"}, true, false, ""},
		{"rolled back", &v1alpha1.LastCycleStatus{Request: v1alpha1.AnnotationRollback + "=1", Outcome: "Succeeded", RolledBack: version}, true, false, ""},
		{"no daemon", &v1alpha1.LastCycleStatus{Request: key + "=" + version, Outcome: "Refused"}, false, false, "does the daemon run?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scheme, err := kube.NewScheme()
				if err != nil {
					t.Fatal(err)
				}
				pool := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: "workers", Annotations: map[string]string{key: version}}}
				pool.Status.LastCycle = c.last
				cl := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pool).WithStatusSubresource(pool).Build()
				if err := cl.Get(t.Context(), client.ObjectKeyFromObject(pool), pool); err != nil {
					t.Fatal(err)
				}
				if c.daemon {
					go func() { // as cycle does, some seconds later
						time.Sleep(5 * time.Second)
						var seen v1alpha1.Pool
						_ = cl.Get(t.Context(), client.ObjectKeyFromObject(pool), &seen)
						if _, there := seen.Annotations[key]; there {
							return
						}
						seen.Status.LastCycle.RolledBack = ""
						seen.Status.LastCycle.Seen = []string{world.TakenOffKey(seen.Status.LastCycle.Request)}
						_ = cl.Status().Update(t.Context(), &seen)
					}()
				}
				err = (&globals{}).reopen(t.Context(), cl, pool, key, version)
				said := &failure{}
				if errors.As(err, &said); (err != nil) != (c.want != "") || !strings.Contains(strings.Join(said.hints, " "), c.want) {
					t.Fatalf("%v, want %q", err, c.want)
				}
				var now v1alpha1.Pool
				if err := cl.Get(t.Context(), client.ObjectKeyFromObject(pool), &now); err != nil {
					t.Fatal(err)
				}
				if _, stands := now.Annotations[key]; stands != c.stands {
					t.Errorf("annotations %v, want it there: %v", now.Annotations, c.stands)
				}
			})
		})
	}
}
