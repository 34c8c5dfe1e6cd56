package oke

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTags(t *testing.T) {
	got := tagsOf(map[string]string{"team": "a"}, map[string]map[string]any{"ops": {"scale": true, "tier": "gold"}})
	if diff := cmp.Diff(map[string]string{"team": "a", "ops.scale": "true", "ops.tier": "gold"}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		least, most string
		lo, hi      int
	}{
		{"1", "5", 1, 5}, {"", "5", 0, 5}, {"0", "0", 0, 0}, {"6", "5", 0, 0},
		{"-1", "5", 0, 0}, {"x", "5", 0, 0}, {"1", "", 0, 0}, {"1", "99999999999", 0, 0},
	} {
		lo, hi := sizeTags(map[string]string{"minSize": c.least, "maxSize": c.most})
		if lo != c.lo || hi != c.hi {
			t.Errorf("minSize %q maxSize %q: %d to %d, want %d to %d", c.least, c.most, lo, hi, c.lo, c.hi)
		}
	}
}
