package okesim

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// The network service, as far as it tells how many addresses of a subnet are left: a subnet's range, and the addresses in use. A launch
// does not fail for want of one; that is [SubnetFull].

// subnetRange is the range of a subnet that nobody has given one.
const subnetRange = "10.0.0.0/16"

// SetSubnet gives a subnet its range, "10.0.8.0/28". Subnets are known by being used; one without a range has 10.0.0.0/16.
func (s *Sim) SetSubnet(id, cidr string) error {
	if p, err := netip.ParsePrefix(cidr); err != nil || !p.Addr().Is4() {
		return errInvalid("cidrBlock %q is no range of IPv4 addresses", cidr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subnets[id] = cidr
	return nil
}

// podSubnets are those that a pool's pods get their addresses from; nil for a pool with another pod network, the nodes' own for one
// that names none.
func (s *Sim) podSubnets(poolID, own string) []string {
	p, err := s.findPool(poolID)
	if err != nil || p.spec.CNI != cniNative {
		return nil
	}
	var ids []string
	if err := json.Unmarshal(p.spec.Opaque[networkPrefix+"podSubnetIds"], &ids); err != nil || len(ids) == 0 {
		return []string{own}
	}
	return ids
}

// compartmentOf is that of the first pool that uses the subnet, "" if none does.
func (s *Sim) compartmentOf(subnet string) string {
	for _, p := range s.pools {
		for _, pl := range p.spec.Placements {
			if pl.SubnetID == subnet || slices.Contains(s.podSubnets(p.id, pl.SubnetID), subnet) {
				return p.spec.CompartmentID
			}
		}
	}
	return ""
}

func (s *Sim) serveGetSubnet(c *call) (*answer, error) {
	id := c.PathValue("subnet")
	if s.compartmentOf(id) == "" {
		return nil, errNotFound("subnet", id)
	}
	cidr := s.subnets[id]
	if cidr == "" {
		cidr = subnetRange
	}
	return ok(map[string]any{"id": id, "displayName": id[strings.LastIndex(id, ".")+1:], "compartmentId": s.compartmentOf(id), "vcnId": ocid("vcn", s.regionKey(), "network"),
		"cidrBlock": cidr, "ipv4CidrBlocks": []string{cidr}, "lifecycleState": "AVAILABLE", "routeTableId": ocid("routetable", s.regionKey(), id),
		"virtualRouterMac": "00:00:17:00:00:01", "virtualRouterIp": "10.0.0.1", "prohibitPublicIpOnVnic": true}).with("etag", etag(id, 0)), nil
}

// privateIP is an address in use.
type privateIP struct {
	vnic, ip string
	primary  bool
	owner    *instance
}

// addressesOf are the addresses of the instance in the subnet: its own, and where pods have addresses of the network's, those of its further
// cards and of all the pods that it may have.
func (s *Sim) addressesOf(i *instance, subnet string) []privateIP {
	var all []privateIP
	cards := s.vnicsOf(i)
	if i.SubnetID == subnet {
		all = append(all, privateIP{cards[0].id, cards[0].ip, true, i})
	}
	from := s.podSubnets(i.PoolID, i.SubnetID)
	pods := i.MaxPods
	for k, card := range cards[1:] {
		here := min(pods, podsPerVNIC)
		pods -= here
		if len(from) == 0 || from[k%len(from)] != subnet {
			continue
		}
		all = append(all, privateIP{card.id, card.ip, true, i})
		for n := range here {
			all = append(all, privateIP{card.id, fmt.Sprintf("%s+%d", card.ip, n+1), false, i})
		}
	}
	return all
}

func (s *Sim) serveListPrivateIPs(c *call) (*answer, error) {
	subnet := c.query("subnetId")
	if subnet == "" {
		return nil, errMissing("subnetId")
	}
	if s.compartmentOf(subnet) == "" {
		return nil, errNotFound("subnet", subnet)
	}
	var all []privateIP
	for _, i := range s.instances {
		if i.State != stateTerminated {
			all = append(all, s.addressesOf(i, subnet)...)
		}
	}
	return list(s, c, all, func(a privateIP) string { return a.vnic + a.ip }, func(a privateIP) map[string]any {
		return map[string]any{"id": ocid("privateip", s.regionKey(), a.vnic+a.ip), "ipAddress": a.ip, "isPrimary": a.primary, "subnetId": subnet, "vnicId": a.vnic,
			"compartmentId": a.owner.CompartmentID, "timeCreated": wireTime(a.owner.Created)}
	})
}
