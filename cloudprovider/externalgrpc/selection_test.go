package externalgrpc

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemill/tidemill/cloudprovider"
)

func TestParseNodes(t *testing.T) {
	id, b, err := ParseNodes("1:10:ocid1.nodepool.oc1.iad.a:b")
	if err != nil || id != "ocid1.nodepool.oc1.iad.a:b" || b != (Bounds{1, 10}) {
		t.Errorf("%s %v %v", id, b, err)
	}
	for _, bad := range []string{"", "1:2", "1:2:", "a:2:x", "2:1:x", "-1:2:x", "0:0:x", "1:99999999999:x"} {
		if _, _, err := ParseNodes(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestParseDiscovery(t *testing.T) {
	d, err := ParseDiscovery("clusterId:c,compartmentId:p,nodepoolTags:a=b&ns.k=v,min:0,max:5")
	want := Discovery{Cluster: "c", Compartment: "p", Tags: map[string]string{"a": "b", "ns.k": "v"}, Bounds: Bounds{0, 5}}
	if diff := cmp.Diff(want, d); diff != "" || err != nil {
		t.Errorf("(-want +got) %v\n%s", err, diff)
	}
	for _, bad := range []string{"", "clusterId:c,min:0,max:5", "nodepoolTags:a,min:0,max:5", "nodepoolTags:a=b,min:3,max:2", "nodepoolTags:a=b,max:2", "nodepoolTags:a=b,min:0,max:2,colour:red"} {
		if d, err := ParseDiscovery(bad); err == nil {
			t.Errorf("%q was taken as %v", bad, d)
		}
	}
}

func TestWhichPoolsAreGroups(t *testing.T) {
	object := &Bounds{2, 3}
	pool := cloudprovider.NodePool{ID: "p", Tags: map[string]string{"a": "b"}}
	sized := pool
	sized.Min, sized.Max = 4, 6
	rule := Discovery{Tags: map[string]string{"a": "b"}, Bounds: Bounds{0, 9}}
	other := Discovery{Tags: map[string]string{"a": "c"}, Bounds: Bounds{0, 8}}
	for name, c := range map[string]struct {
		s      Selection
		pool   cloudprovider.NodePool
		object *Bounds
		want   Bounds
		chosen bool
	}{
		"named, whatever else is said":  {Selection{Nodes: map[cloudprovider.PoolID]Bounds{"p": {1, 2}}, Discover: []Discovery{rule}}, sized, object, Bounds{1, 2}, true},
		"another is named":              {Selection{Nodes: map[cloudprovider.PoolID]Bounds{"q": {1, 2}}}, sized, object, Bounds{}, false},
		"discovered":                    {Selection{Discover: []Discovery{other, rule}}, pool, nil, Bounds{0, 9}, true},
		"discovered, with its own tags": {Selection{Discover: []Discovery{rule}}, sized, nil, Bounds{4, 6}, true},
		"discovered, with an object":    {Selection{Discover: []Discovery{rule}}, sized, object, Bounds{2, 3}, true},
		"not discovered":                {Selection{Discover: []Discovery{other}}, sized, object, Bounds{}, false},
		"by its object":                 {Selection{Pools: true}, pool, object, Bounds{2, 3}, true},
		"by its tags":                   {Selection{Pools: true}, sized, nil, Bounds{4, 6}, true},
	} {
		b, chosen := c.s.bounds(c.pool, c.object)
		if b != c.want || chosen != c.chosen {
			t.Errorf("%s: %v %v, want %v %v", name, b, chosen, c.want, c.chosen)
		}
	}
	if _, chosen := (Selection{Pools: true}).bounds(pool, nil); chosen {
		t.Error("a pool without bounds is a group")
	}
}
