package oke

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/cloudprovider"
)

var _ cloudprovider.SubnetReporter = (*Provider)(nil)

const (
	// OCI keeps the first two addresses of a subnet and the last one.
	subnetReserved = 3
	// A card carries the addresses of so many pods beside its own, and a pool that
	// does not say how many pods a node takes gets one card's: Oracle's page on
	// VCN-native pod networks.
	podsPerCard = 31
	// subnetPages bounds what is read of one subnet: 50,000 addresses.
	subnetPages = 50
)

// Subnets implements [cloudprovider.SubnetReporter]. It costs the look, and for each
// subnet one request and one more for each thousand addresses that are in use: the
// service has no cheaper way to tell. A subnet may be in the compartment of the
// network's administrators, where the right to ask is another one.
//
//	free = 2^(32 − prefix) − 3 − addresses in use (ListPrivateIps: machines, pods, load balancers, whoever has one)
func (p *Provider) Subnets(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Subnet, error) {
	l, err := p.look(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("report subnets of node pool %s: %w", id, err)
	}
	var list []cloudprovider.Subnet
	for _, u := range subnetsOf(l.pool) {
		if u.Name, u.Size, u.Free, err = p.subnet(ctx, u.id); err != nil {
			return nil, fmt.Errorf("report subnet %s of node pool %s: %w", u.id, id, err)
		}
		list = append(list, u.Subnet)
	}
	return list, nil
}

// subnetUse is a subnet that a pool uses.
type subnetUse struct {
	cloudprovider.Subnet
	id string
}

// subnetsOf are the subnets of a pool's placements and of its pods, each once.
func subnetsOf(pool containerengine.NodePool) []subnetUse {
	var list []subnetUse
	at := func(id string) *subnetUse {
		i := slices.IndexFunc(list, func(u subnetUse) bool { return u.id == id })
		if i < 0 {
			list, i = append(list, subnetUse{id: id}), len(list)
		}
		return &list[i]
	}
	c := pool.NodeConfigDetails
	if c == nil {
		return nil
	}
	for _, place := range c.PlacementConfigs {
		u := at(str(place.SubnetId))
		u.PerNode = 1
		if z := zone(str(place.AvailabilityDomain)); !slices.Contains(u.Zones, z) {
			u.Zones = append(u.Zones, z)
		}
	}
	native, ok := c.NodePoolPodNetworkOptionDetails.(containerengine.OciVcnIpNativeNodePoolPodNetworkOptionDetails)
	if !ok {
		return list
	}
	pods := podsPerCard
	if native.MaxPodsPerNode != nil {
		pods = *native.MaxPodsPerNode
	}
	takes := pods + (pods+podsPerCard-1)/podsPerCard // each card has an address of its own
	from := native.PodSubnetIds
	if len(from) == 0 { // the nodes' own
		for _, u := range list {
			from = append(from, u.id)
		}
	}
	for _, id := range from {
		u := at(id)
		u.Pods = u.PerNode == 0
		u.PerNode += takes
	}
	return list
}

// subnet is what a subnet is called, how many addresses it has, and how many of them
// nobody has.
func (p *Provider) subnet(ctx context.Context, id string) (name string, all, free int, err error) {
	r, err := call(ctx, p, p.readPolicy, "GetSubnet", func(ctx context.Context) (core.GetSubnetResponse, error) {
		return p.network.GetSubnet(ctx, core.GetSubnetRequest{SubnetId: &id})
	})
	if err != nil {
		return "", 0, 0, err
	}
	if all, err = addressesIn(r.Subnet); err != nil {
		return "", 0, 0, err
	}
	used, err := allPages(subnetPages, "private addresses", func(page *string) ([]core.PrivateIp, *string, error) {
		r, err := call(ctx, p, p.readPolicy, "ListPrivateIps", func(ctx context.Context) (core.ListPrivateIpsResponse, error) {
			return p.network.ListPrivateIps(ctx, core.ListPrivateIpsRequest{SubnetId: &id, Limit: common.Int(1000), Page: page})
		})
		return r.Items, r.OpcNextPage, err
	})
	if err != nil {
		return "", 0, 0, err
	}
	if name = str(r.DisplayName); name == "" {
		name = id
	}
	return name, all, max(all-len(used), 0), nil
}

// addressesIn is how many addresses a subnet has to give.
func addressesIn(s core.Subnet) (int, error) {
	blocks := s.Ipv4CidrBlocks
	if len(blocks) == 0 && s.CidrBlock != nil {
		blocks = []string{*s.CidrBlock}
	}
	all := 0
	for _, b := range blocks {
		prefix, err := netip.ParsePrefix(b)
		if err != nil || !prefix.Addr().Is4() {
			continue
		}
		all += 1<<(32-prefix.Bits()) - subnetReserved
	}
	if all <= 0 {
		return 0, fmt.Errorf("%w: the subnet states no range of IPv4 addresses", cloudprovider.ErrNotSupported)
	}
	return all, nil
}
