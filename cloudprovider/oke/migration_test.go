package oke

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestMigrationNamesEveryTag: the page for those who come from cluster-autoscaler's
// OCI provider has every tag that one reads, and none that is not read here.
func TestMigrationNamesEveryTag(t *testing.T) {
	page, err := os.ReadFile("../../docs/migrate-from-cluster-autoscaler.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "## Tags of a node pool")
	part, _, _ = strings.Cut(part, "\n## ")
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(part, -1) {
		told = append(told, strings.Split(strings.ReplaceAll(row[1], "`", ""), ", ")...)
	}
	// By tag, a value, and whether it had its effect.
	read := map[string]struct {
		value  string
		effect func(hints, map[string]string) bool
	}{
		"minSize":                 {"2", func(_ hints, tags map[string]string) bool { least, _ := sizeTags(tags); return least == 2 }},
		"maxSize":                 {"9", func(_ hints, tags map[string]string) bool { _, most := sizeTags(tags); return most == 9 }},
		templateTag + "label/KEY": {"v", func(h hints, _ map[string]string) bool { return h.labels["KEY"] == "v" }},
		templateTag + "taint/KEY": {"v:NoSchedule", func(h hints, _ map[string]string) bool {
			return slices.Equal(h.taints, []corev1.Taint{{Key: "KEY", Value: "v", Effect: corev1.TaintEffectNoSchedule}})
		}},
		templateTag + "resources/NAME": {"3", func(h hints, _ map[string]string) bool { q := h.resources["NAME"]; return q.Value() == 3 }},
		ephemeralTag:                   {"80Gi", func(h hints, _ map[string]string) bool { return h.resources.StorageEphemeral().String() == "80Gi" }},
		// The plugin reads these: TestOptionsOverriddenForEachGeneration of externalgrpc. Here they are no mistake.
		templateTag + "autoscaling-options/NAME": {"1", func(h hints, _ map[string]string) bool { return len(h.problems) == 0 }},
	}
	for _, tag := range told {
		r, ok := read[tag]
		if !ok {
			t.Errorf("the page tells of %s, which is not read", tag)
			continue
		}
		tags := map[string]string{tag: r.value}
		if strings.HasSuffix(tag, "Size") {
			tags = map[string]string{"minSize": "2", "maxSize": "9"}
		}
		if h := hintsOf(tags); !r.effect(h, tags) || len(h.problems) > 0 {
			t.Errorf("%s has no effect: %+v", tag, h)
		}
	}
	for tag := range read {
		if !slices.Contains(told, tag) {
			t.Errorf("the page does not tell of %s", tag)
		}
	}
}
