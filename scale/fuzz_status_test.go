package scale

import (
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Whatever stands in the status ConfigMap, somebody else's or half of our own, a
// new status takes over no more than times from it, and is then its own follower.
func FuzzStatus(f *testing.F) {
	fresh := func() caStatus {
		s := caStatus{Time: "now"}
		s.ClusterWide.Health.Status = "Healthy"
		s.NodeGroups = []caGroup{{Name: "workers"}}
		s.NodeGroups[0].Health.Status = "Healthy"
		return s
	}
	own, err := yaml.Marshal(fresh())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(own), "", "null", "[]", "nodeGroups: 7", "nodeGroups: [null, {name: workers}]", "nodeGroups:\n- name: workers\n  health: {status: Healthy, lastTransitionTime: \"\x1b[2J\"}",
		"a: &a [*a]", "clusterWide: {health: []}", strings.Repeat("- ", 5000), "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var old caStatus
		_ = yaml.Unmarshal([]byte(text), &old) // as the loop does: what cannot be read begins anew
		now := fresh()
		now.follow(old)
		if !reflect.DeepEqual(now.timeless(), fresh().timeless()) {
			t.Errorf("%q changes what is said: %+v", text, now)
		}
		again := fresh()
		if !again.follow(now) {
			t.Errorf("%q: a status does not follow itself", text)
		}
		if !reflect.DeepEqual(again, now) {
			t.Errorf("%q: times are lost: %+v and %+v", text, again, now)
		}
	})
}
