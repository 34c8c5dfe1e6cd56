package okesim

import (
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"
)

// The SDK's network client reads a subnet's range and every address in use, and is
// told of no subnet that nobody uses.
func TestSubnetsAreServed(t *testing.T) {
	c := newCloud(t, Options{PageSize: 2})
	network, err := core.NewVirtualNetworkClientWithConfigurationProvider(c.credentials())
	if err != nil {
		t.Fatal(err)
	}
	network.Host, network.HTTPClient = c.compute.Host, c.compute.HTTPClient
	id := "ocid1.subnet.oc1.iad.workers"
	if _, err := network.GetSubnet(t.Context(), core.GetSubnetRequest{SubnetId: &id}); err == nil {
		t.Error("a subnet that nobody uses is told")
	}
	if err := c.SetSubnet(id, "10.0.8.0/28"); err != nil {
		t.Fatal(err)
	}
	if c.SetSubnet(id, "fd00::/64") == nil || c.SetSubnet(id, "many") == nil {
		t.Error("nonsense is taken for a range")
	}
	c.pool("workers", 3)
	r, err := network.GetSubnet(t.Context(), core.GetSubnetRequest{SubnetId: &id})
	if err != nil || *r.CidrBlock != "10.0.8.0/28" || *r.DisplayName != "workers" {
		t.Errorf("subnet %v, %v", r, err)
	}
	seen := map[string]bool{}
	for req := (core.ListPrivateIpsRequest{SubnetId: &id, Limit: common.Int(1000)}); ; {
		r, err := network.ListPrivateIps(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, ip := range r.Items {
			seen[*ip.IpAddress] = true
		}
		if req.Page = r.OpcNextPage; req.Page == nil {
			break
		}
	}
	if len(seen) != 3 {
		t.Errorf("%d addresses are in use: %v", len(seen), seen)
	}
}
