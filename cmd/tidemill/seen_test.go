package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// viewer may list some resources: it has one pool, and nothing of the others.
type viewer struct {
	client.Reader
	may []string
}

func (v viewer) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	kind := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", list), "*"), "List"))
	kind = kind[strings.LastIndexByte(kind, '.')+1:] + "s"
	if !slices.Contains(v.may, kind) {
		return apierrors.NewForbidden(schema.GroupResource{Resource: kind}, "", nil)
	}
	if pools, ok := list.(*v1alpha1.PoolList); ok {
		pools.Items = make([]v1alpha1.Pool, 1)
		pools.Items[0].Name, pools.Items[0].Status.Activity = "workers", "idle"
	}
	return nil
}

// Whoever may view a cluster, by the role that is aggregated to "view", has no
// right on nodes: he is shown the pools all the same, and what is missing.
func TestStatusShowsWhatMayBeSeen(t *testing.T) {
	for _, x := range []struct {
		may    []string
		unseen string
	}{
		{[]string{"pools", "nodes", "pods", "events"}, ""},
		{[]string{"pools", "pods", "events"}, "Not seen, as you may not list them: nodes"},
		{[]string{"pools"}, "Not seen, as you may not list them: nodes, pods, events"},
	} {
		found, err := look(t.Context(), viewer{may: x.may})
		if err != nil {
			t.Fatal(err)
		}
		r, err := statusOf(found, nil)
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := (&globals{}).writeStatus(&text, r); err != nil {
			t.Fatal(err)
		}
		page := page{report: r, seen: found.pools[0].CreationTimestamp.Add(1)}
		var lines []string
		for _, l := range page.lines(80, 24) {
			lines = append(lines, l.text)
		}
		for name, shown := range map[string]string{"text": text.String(), "page": strings.Join(lines, "\n")} {
			if !strings.Contains(shown, "workers") || !strings.Contains(shown, x.unseen) || x.unseen == "" && strings.Contains(shown, "Not seen") {
				t.Errorf("%v: the %s lacks workers or %q:\n%s", x.may, name, x.unseen, shown)
			}
		}
	}
	if _, err := look(t.Context(), viewer{may: []string{"nodes", "pods", "events"}}); !apierrors.IsForbidden(err) {
		t.Errorf("without pools: %v", err)
	}
}
