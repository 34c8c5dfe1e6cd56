package externalgrpc

import (
	"testing"
)

// What cluster-autoscaler's flags select is bounds that a pool can have and, for
// discovery, never every pool; the rest is refused.
func FuzzSelection(f *testing.F) {
	for _, seed := range []string{"", "1:5:ocid1.nodepool.oc1..a", "5:1:x", "-1:2:x", "1:99999999999:x", "::", "0:0:x",
		"clusterId:c,compartmentId:d,nodepoolTags:k=v&ns.k=v,min:1,max:5", "nodepoolTags:=,min:1,max:5", "nodepoolTags:a=b,min:1,max:5,min:9", "min:1,max:5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, b, err := ParseNodes(text)
		if err == nil && (id == "" || b.Min < 0 || b.Max < 1 || b.Max < b.Min) {
			t.Errorf("%q is %s with %+v", text, id, b)
		}
		d, err := ParseDiscovery(text)
		if err != nil {
			return
		}
		if len(d.Tags) == 0 || d.Bounds.Min < 0 || d.Bounds.Max < 1 || d.Bounds.Max < d.Bounds.Min {
			t.Errorf("%q discovers %+v", text, d)
		}
		if d.matches(nil) {
			t.Errorf("%q takes pools that have no tag", text)
		}
	})
}
