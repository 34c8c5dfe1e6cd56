package oke

import (
	"encoding/json"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/containerengine"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Whatever JSON stands for a node pool, what is made of it has a size, places and
// machines: no two machines have one ID, and none is in another pool.
func FuzzNodePoolJSON(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"nodes":[null,{},{}]}`,
		`{"id":"ocid1.nodepool.oc1.iad.a","kubernetesVersion":"v1.34.1","nodeShape":"VM.Standard.E4.Flex","nodeShapeConfig":{"ocpus":2,"memoryInGBs":16},
		"nodeConfigDetails":{"size":3,"placementConfigs":[{"availabilityDomain":"Uocm:PHX-AD-1","faultDomains":["FAULT-DOMAIN-1"],"preemptibleNodeConfig":{"preemptionAction":{"type":"TERMINATE"}}}]},
		"nodes":[{"id":"ocid1.instance.oc1.iad.a","name":"n1","lifecycleState":"ACTIVE","nodeError":{"code":"LimitExceeded","message":"no"}},{"name":"n2","lifecycleState":"CREATING"},{"lifecycleState":"FAILING"}]}`,
		`{"nodeConfigDetails":{"size":-5,"placementConfigs":[{},{"availabilityDomain":"\u001b[2J"}]},"nodeShapeConfig":{"ocpus":-1,"memoryInGBs":1e38},"nodes":[{"id":""},{"id":"a"},{"id":"a"}]}`,
		`{"nodeSourceDetails":{"sourceType":"IMAGE","imageId":"i","bootVolumeSizeInGBs":-1},"nodeSource":{"sourceType":"?"},"freeformTags":{"":""},"definedTags":{"a":{"b":7}},"lifecycleState":"X"}`,
	} {
		f.Add([]byte(seed))
	}
	const id = "ocid1.nodepool.oc1.iad.pool"
	f.Fuzz(func(t *testing.T, text []byte) {
		var pool containerengine.NodePool
		if json.Unmarshal(text, &pool) == nil {
			seen := map[cloudprovider.InstanceID]bool{}
			for _, in := range entries(id, pool.Nodes) {
				if in.ID == "" || in.Pool != id {
					t.Errorf("a machine %q of pool %q", in.ID, in.Pool)
				}
				if seen[in.ID] && in.ID.Placeholder() {
					t.Errorf("two machines are %s", in.ID)
				}
				seen[in.ID] = true
			}
			unexplained(pool)
			missing(pool)
			onlyZone(pool)
		}
		var s containerengine.NodePoolSummary
		if json.Unmarshal(text, &s) != nil {
			return
		}
		if size := sizeOf(s.NodeConfigDetails); size < 0 && s.NodeConfigDetails == nil {
			t.Errorf("a size of %d from nothing", size)
		}
		releaseOf(s)
		for _, p := range bare(s) {
			if p.Template.Name != "" {
				t.Errorf("a template by the name %q", p.Template.Name)
			}
		}
		sh, _ := shippedShape(testShape)
		list, _ := template(s, nil, sh, Prices{})
		for _, p := range list {
			for name, q := range p.Template.Status.Allocatable {
				if most := p.Template.Status.Capacity[name]; q.Sign() < 0 || q.Cmp(most) > 0 {
					t.Errorf("%s: %s of %s", name, q.String(), most.String())
				}
			}
		}
	})
}

// Whatever answers at the metadata service's address, it is refused or names an
// instance; and a token that tells its end tells one that there can be.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"id":"ocid1.instance.oc1.iad.a","region":"iad","metadata":{"oke-cluster-id":"c"}}`, `{"id":7}`, `{"id":"a","region":"\u001b"}`,
		"a.eyJleHAiOjE3MDAwMDAwMDB9.c", "a.eyJleHAiOi0xfQ.c", "a.eyJleHAiOjFlMzAwfQ.c", "..", "a.!!.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := parseHere([]byte(text)); err == nil && h.InstanceID == "" {
			t.Errorf("%q is nobody", text)
		}
		if end := expiry(text); !end.IsZero() && (end.Unix() <= 0 || end.Year() > 5200) {
			t.Errorf("%q ends in %s", text, end)
		}
	})
}
