package externalgrpc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Bounds are the sizes between which a client may scale a group.
type Bounds struct{ Min, Max int }

// Selection says which pools are groups, and with which bounds. Later sources
// fill in what earlier ones leave open:
//
//	Nodes, then the Pool object, then the tags minSize and maxSize, then Discover
//
// A pool that no source gives bounds for is no group.
type Selection struct {
	// Nodes are pools named one by one.
	Nodes map[cloudprovider.PoolID]Bounds
	// Discover are rules that find pools by their tags.
	Discover []Discovery
	// Pools makes every pool a group whose Pool object has spec.scale, or whose
	// tags have both sizes.
	Pools bool
}

// Discovery finds the pools of a cluster that carry all of the tags.
type Discovery struct {
	Cluster, Compartment string
	Tags                 map[string]string
	Bounds               Bounds
}

// Empty is whether nothing can be selected.
func (s Selection) Empty() bool { return len(s.Nodes) == 0 && len(s.Discover) == 0 && !s.Pools }

// ParseNodes reads cluster-autoscaler's --nodes for OCI, "min:max:OCID".
func ParseNodes(text string) (cloudprovider.PoolID, Bounds, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 || parts[2] == "" {
		return "", Bounds{}, fmt.Errorf("parse --nodes %q: want min:max:OCID", text)
	}
	b, err := parseBounds(parts[0], parts[1])
	if err != nil {
		return "", Bounds{}, fmt.Errorf("parse --nodes %q: %w", text, err)
	}
	return cloudprovider.PoolID(parts[2]), b, nil
}

// ParseDiscovery reads cluster-autoscaler's --node-group-auto-discovery for
// OCI: "clusterId:OCID,compartmentId:OCID,nodepoolTags:k=v&ns.k=v,min:1,max:5".
func ParseDiscovery(text string) (Discovery, error) {
	d := Discovery{Tags: map[string]string{}}
	var least, most string
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, ":")
		if !ok || value == "" {
			return Discovery{}, fmt.Errorf("parse --node-group-auto-discovery %q: %q is not key:value", text, part)
		}
		switch key {
		case "clusterId":
			d.Cluster = value
		case "compartmentId":
			d.Compartment = value
		case "nodepoolTags":
			if err := parseTags(value, d.Tags); err != nil {
				return Discovery{}, fmt.Errorf("parse --node-group-auto-discovery %q: %w", text, err)
			}
		case "min":
			least = value
		case "max":
			most = value
		default:
			return Discovery{}, fmt.Errorf("parse --node-group-auto-discovery %q: unknown key %q", text, key)
		}
	}
	b, err := parseBounds(least, most)
	if err != nil {
		return Discovery{}, fmt.Errorf("parse --node-group-auto-discovery %q: %w", text, err)
	}
	if len(d.Tags) == 0 {
		return Discovery{}, fmt.Errorf("parse --node-group-auto-discovery %q: nodepoolTags is missing: without tags every pool would be scaled", text)
	}
	d.Bounds = b
	return d, nil
}

func parseTags(text string, into map[string]string) error {
	for _, tag := range strings.Split(text, "&") {
		k, v, ok := strings.Cut(tag, "=")
		if !ok || k == "" {
			return fmt.Errorf("tag %q is not key=value", tag)
		}
		into[k] = v
	}
	return nil
}

func parseBounds(least, most string) (Bounds, error) {
	lo, err := strconv.ParseInt(least, 10, 32)
	if err != nil {
		return Bounds{}, fmt.Errorf("min %q is not a number", least)
	}
	hi, err := strconv.ParseInt(most, 10, 32)
	if err != nil {
		return Bounds{}, fmt.Errorf("max %q is not a number", most)
	}
	if lo < 0 || hi < lo || hi == 0 {
		return Bounds{}, fmt.Errorf("want 0 <= min <= max and a max of 1 or more, not %d and %d", lo, hi)
	}
	return Bounds{int(lo), int(hi)}, nil
}

// bounds decides whether a pool is a group. object are the bounds of its Pool
// object, nil if it has none.
func (s Selection) bounds(p cloudprovider.NodePool, object *Bounds) (Bounds, bool) {
	if b, ok := s.Nodes[p.ID]; ok {
		return b, true
	}
	found, chosen := Bounds{}, false
	for _, d := range s.Discover {
		if d.matches(p.Tags) {
			found, chosen = d.Bounds, true
			break
		}
	}
	switch {
	case !chosen && !s.Pools:
		return Bounds{}, false
	case object != nil:
		return *object, true
	case p.Max > 0:
		return Bounds{p.Min, p.Max}, true
	}
	return found, chosen
}

func (d Discovery) matches(tags map[string]string) bool {
	for k, v := range d.Tags {
		if have, ok := tags[k]; !ok || have != v {
			return false
		}
	}
	return true
}
