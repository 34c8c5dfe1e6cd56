package oke

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
)

func TestParseOCID(t *testing.T) {
	for text, want := range map[string]ocid{
		"ocid1.cluster.oc1.iad.aaaa":         {"cluster", "oc1", "iad", "aaaa"},
		"ocid1.compartment.oc1..bbbb":        {"compartment", "oc1", "", "bbbb"},
		"ocid1.instance.oc8.ap-x-1.future.c": {"instance", "oc8", "ap-x-1", "c"},
	} {
		if got, ok := parseOCID(text); !ok || got != want {
			t.Errorf("%s is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "c", "ocid1", "ocid1.cluster.oc1.iad.", "ocid1..oc1.iad.a", "ocid2.cluster.oc1.iad.a", "ocid1.cluster.oc1.iad.a b", "ocid1.a.b.c.d.e.f"} {
		if got, ok := parseOCID(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// An OCID that is accepted is one line without blanks, of the kind that was
// asked for, and can be put into a path.
func FuzzOCID(f *testing.F) {
	for _, seed := range []string{"ocid1.cluster.oc1.iad.aaaa", "ocid1.compartment.oc1..b", "ocid1.cluster.oc1.iad.a/../b", "ocid1.cluster.oc1.iad.a\n", " ", "ocid1.....", "tidemill-placeholder/p/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := parseOCID(text)
		err := checkOCID("cluster", text, "cluster")
		if ok && (id.kind == "" || id.unique == "" || strings.ContainsAny(text, "/?#% \n\t\x00") || !strings.HasPrefix(text, "ocid1."+id.kind+"."+id.realm+".")) {
			t.Errorf("%q is %+v", text, id)
		}
		if ok && err == nil && id.kind != "cluster" {
			t.Errorf("a %s passes for a cluster", id.kind)
		}
		if err != nil && !errors.Is(err, cloudprovider.ErrInvalid) {
			t.Errorf("%q: %v", text, err)
		}
		if pool := cloudprovider.Placeholder(cloudprovider.PoolID(text), 7).PlaceholderPool(); string(pool) != text {
			t.Errorf("placeholder of %q is of %q", text, pool)
		}
	})
}
