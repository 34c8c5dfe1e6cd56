package oke

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/okesim"
)

// What is left of each subnet is its range without the three that OCI keeps and
// without what machines and pods have already, read past the first page.
func TestSubnets(t *testing.T) {
	const nodes, more, pods = "ocid1.subnet.oc1.iad.nodes", "ocid1.subnet.oc1.iad.more", "ocid1.subnet.oc1.iad.pods"
	w := newWorld(t, okesim.Options{PageSize: 7})
	for id, cidr := range map[string]string{nodes: "10.0.8.0/28", more: "10.0.9.0/29", pods: "10.0.16.0/20"} {
		if err := w.sim.SetSubnet(id, cidr); err != nil {
			t.Fatal(err)
		}
	}
	ads := w.sim.AvailabilityDomains()
	place := func(ad, subnet string) okesim.Placement { return okesim.Placement{AD: ad, SubnetID: subnet} }
	places := []okesim.Placement{place(ads[0], nodes), place(ads[1], nodes), place(ads[2], more)}
	text, _ := json.Marshal([]string{pods})
	native := w.addPool(okesim.Pool{Size: 3, Placements: places, CNI: "OCI_VCN_IP_NATIVE", MaxPods: 40, OCPUs: 4, MemoryGB: 32,
		Opaque: map[string]json.RawMessage{"nodeConfigDetails.nodePoolPodNetworkOptionDetails.podSubnetIds": text}})
	w.running(native)
	flannel := w.addPool(okesim.Pool{Size: 1, Placements: places[:1]})
	w.running(flannel)

	fleet := cloudprovider.NewFleet(w.Provider, cloudprovider.FleetOptions{})
	got, err := fleet.Subnets(t.Context(), native)
	if err != nil {
		t.Fatal(err)
	}
	want := []cloudprovider.Subnet{
		{Name: "nodes", Zones: []cloudprovider.Zone{"US-ASHBURN-AD-1", "US-ASHBURN-AD-2"}, Size: 16 - 3, Free: 16 - 3 - 3, PerNode: 1},
		{Name: "more", Zones: []cloudprovider.Zone{"US-ASHBURN-AD-3"}, Size: 8 - 3, Free: 8 - 3 - 1, PerNode: 1},
		{Name: "pods", Pods: true, Size: 4096 - 3, Free: 4096 - 3 - 3*42, PerNode: 42},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
	if got, err = fleet.Subnets(t.Context(), flannel); err != nil || len(got) != 1 || got[0].PerNode != 1 || got[0].Free != 10 {
		t.Errorf("an overlay's pods need no addresses: %+v, %v", got, err)
	}
	w.sim.Refuse("ListPrivateIps", 404)
	if _, err := fleet.Subnets(t.Context(), native); !errors.Is(err, cloudprovider.ErrNotFound) || !strings.Contains(err.Error(), "inspect private-ips in the subnet's compartment") {
		t.Errorf("without the right: %v, want the statement that is missing", err)
	}
}

// A subnet that serves machines and pods is one, and each machine takes both.
func TestSubnetForAll(t *testing.T) {
	const all = "ocid1.subnet.oc1.iad.all"
	w := newWorld(t, okesim.Options{})
	text, _ := json.Marshal([]string{all})
	id := w.addPool(okesim.Pool{Size: 1, Placements: []okesim.Placement{{AD: w.sim.AvailabilityDomains()[0], SubnetID: all}}, CNI: "OCI_VCN_IP_NATIVE", MaxPods: 31,
		Opaque: map[string]json.RawMessage{"nodeConfigDetails.nodePoolPodNetworkOptionDetails.podSubnetIds": text}})
	w.running(id)
	// A pool that names no subnet for its pods takes the machines' own.
	other := w.addPool(okesim.Pool{Size: 1, Placements: []okesim.Placement{{AD: w.sim.AvailabilityDomains()[0], SubnetID: all}}, CNI: "OCI_VCN_IP_NATIVE", MaxPods: 31})
	w.running(other)
	want := []cloudprovider.Subnet{{Name: "all", Zones: []cloudprovider.Zone{"US-ASHBURN-AD-1"}, Size: 65536 - 3, Free: 65536 - 3 - 2*33, PerNode: 33}}
	for _, id := range []cloudprovider.PoolID{id, other} {
		got, err := w.Subnets(t.Context(), id)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("subnets (-want +got):\n%s%v", diff, err)
		}
	}
}

func TestAddressesOfASubnet(t *testing.T) {
	for name, c := range map[string]struct {
		subnet core.Subnet
		want   int
	}{
		"one range":          {core.Subnet{CidrBlock: common.String("10.0.0.0/24")}, 253},
		"several":            {core.Subnet{CidrBlock: common.String("10.0.0.0/24"), Ipv4CidrBlocks: []string{"10.0.0.0/24", "10.1.0.0/30"}}, 254},
		"none that is known": {core.Subnet{}, 0},
		"no IPv4":            {core.Subnet{CidrBlock: common.String("fd00::/64")}, 0},
		"nonsense":           {core.Subnet{CidrBlock: common.String("10.0.0.0")}, 0},
	} {
		got, err := addressesIn(c.subnet)
		if got != c.want || (err == nil) != (c.want > 0) || err != nil && !errors.Is(err, cloudprovider.ErrNotSupported) {
			t.Errorf("%s: %d, %v; want %d", name, got, err, c.want)
		}
	}
}
