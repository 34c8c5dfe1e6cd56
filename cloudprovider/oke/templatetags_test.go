package oke

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Bounds that make no sense are no bounds, and are told.
func TestSizeTagsAreTold(t *testing.T) {
	for _, c := range []struct {
		tags map[string]string
		told bool
	}{
		{map[string]string{}, false},
		{map[string]string{"minSize": "1", "maxSize": "5"}, false},
		{map[string]string{"maxSize": "5"}, false},
		{map[string]string{"minSize": "many", "maxSize": "5"}, true},
		{map[string]string{"minSize": "6", "maxSize": "5"}, true},
		{map[string]string{"minSize": "1"}, true},
		{map[string]string{"maxSize": "99999999999999999999"}, true},
	} {
		problems := hintsOf(c.tags).problems
		if (len(problems) == 1) != c.told || len(problems) > 1 {
			t.Errorf("%v: %q", c.tags, problems)
		}
		_, most := sizeTags(c.tags)
		if c.told && most != 0 {
			t.Errorf("%v: a maximum of %d", c.tags, most)
		}
	}
}

// Whatever a tag says, what gets into a template is what Kubernetes would take,
// and what does not is told in one line of a bounded length.
func FuzzTemplateTags(f *testing.F) {
	f.Add("cluster-autoscaler/node-template/label/a~2b/c", "d")
	f.Add("ns.cluster-autoscaler/node-template/taint/x", "y=z:NoExecute")
	f.Add("cluster-autoscaler/node-template/resources/x", "-1")
	f.Add("cluster-autoscaler/node-ephemeral-storage", "1e99Gi")
	f.Add("minSize", "NaN")
	f.Add("cluster-autoscaler/node-template/label/x", "a\n\x1b[31mb")
	f.Fuzz(func(t *testing.T, key, value string) {
		h := hintsOf(map[string]string{key: value})
		for k, v := range h.labels {
			if len(validation.IsQualifiedName(k)) > 0 || len(validation.IsValidLabelValue(v)) > 0 {
				t.Errorf("label %q=%q", k, v)
			}
		}
		for name, q := range h.resources {
			if q.Sign() < 0 || len(validation.IsQualifiedName(string(name))) > 0 {
				t.Errorf("resource %q: %s", name, q.String())
			}
		}
		for _, taint := range h.taints {
			if _, err := parseTaint(taint.ToString()); err != nil {
				t.Error(err)
			}
		}
		for _, p := range h.problems {
			if len(p) > 800 || strings.ContainsAny(p, "\n\r\x1b") {
				t.Errorf("problem of %d bytes", len(p))
			}
		}
	})
}
