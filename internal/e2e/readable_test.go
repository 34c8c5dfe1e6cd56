package e2e

import (
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// admittedIsReadable: what the API server takes, the daemon can read. One Pool that
// it cannot decode would hide all the others from it: lists are decoded whole.
func admittedIsReadable(ctx context.Context, t *testing.T, c client.Client) {
	refused := 0
	for _, tt := range []struct {
		path  string
		value any
		say   string // "" where either is right
	}{
		{"cycle.drain.timeout", "1d", "must be a duration such as 90s, 30m or 1h30m"},
		{"cycle.drain.timeout", "30", "must be a duration"},
		{"cycle.drain.timeout", "-5m", "must be a duration"},
		{"cycle.joinTimeout", "a while", "must be a duration"},
		{"cycle.canary.soak", strings.Repeat("9999h", 9), ""},
		{"repair.after", "1 hour", "must be a duration"},
		{"scale.down.unneededFor", "99999h99999h99999h99999h", ""},
		{"scale.maxSize", int64(99_999_999_999), ""},
		{"scale.minSize", int64(-99_999_999_999), ""},
		{"scale.limits.memory", "lots", ""},
		{"scale.limits.spendPerHour", "1e9999", ""},
		{"cycle.maxSurge", int64(99_999_999_999), ""},
		{"cycle.maxUnavailable", "1e3%", ""},
	} {
		err := c.Create(ctx, poolWith(t, tt.path, tt.value), client.DryRunAll)
		if err != nil {
			refused++
		}
		if tt.say != "" && (err == nil || !strings.Contains(err.Error(), tt.say)) {
			t.Errorf("%s: %v: error %v, want %q", tt.path, tt.value, err, tt.say)
		}
		var pool v1alpha1.Pool
		if failed := runtime.DefaultUnstructuredConverter.FromUnstructured(poolWith(t, tt.path, tt.value).Object, &pool); err == nil && failed != nil {
			t.Errorf("%s: %v is admitted, and cannot be read: %v", tt.path, tt.value, failed)
		}
	}
	// The judge must be able to say yes, too.
	for _, good := range []string{"0", "90s", "1.5h", "1h0m0s", "720h0m0s", "250ms"} {
		if err := c.Create(ctx, poolWith(t, "cycle.drain.timeout", good), client.DryRunAll); err != nil {
			t.Errorf("%s is refused: %v", good, err)
		}
	}
	if refused < 8 {
		t.Errorf("only %d are refused", refused)
	}
}

// poolWith is a Pool that has this below its spec.
func poolWith(t *testing.T, path string, value any) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "Pool", "metadata": map[string]any{"name": "odd"},
		"spec": map[string]any{
			"nodePoolID": "odd", "scale": map[string]any{"minSize": int64(0), "maxSize": int64(2)},
			"cycle": map[string]any{"mode": "OnDemand"}, "repair": map[string]any{"mode": "On"},
		},
	}}
	if err := unstructured.SetNestedField(o.Object, value, append([]string{"spec"}, strings.Split(path, ".")...)...); err != nil {
		t.Fatal(err)
	}
	return o
}
