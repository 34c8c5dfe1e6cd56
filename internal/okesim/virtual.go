package okesim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A VirtualPool is a virtual node pool: Nodes without a machine that anybody could see, drain or cycle. The emulator serves them to be
// read and counted, as tidemill does no more with them.
type VirtualPool struct {
	ID                string // assigned by AddVirtualPool
	ClusterID         string
	CompartmentID     string // default: the cluster's
	Name              string
	KubernetesVersion string // the cluster's
	Size              int
	Placements        []Placement // of the virtual nodes
	PodShape          string      // default "Pod.Standard.E4.Flex"
	PodSubnetID       string      // default: the first placement's
	Labels            map[string]string
	Taints            []VirtualTaint
	Created           time.Time

	nodes []virtualNode
}

// VirtualTaint is a taint of virtual nodes: the one kind of node whose taints OKE's API knows.
type VirtualTaint struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Effect string `json:"effect"` // "NoSchedule", "PreferNoSchedule", "NoExecute"
}

type virtualNode struct {
	id, name, ip, ad, fd, subnet string
}

// AddVirtualPool adds an ACTIVE virtual node pool and returns its OCID. Only an enhanced cluster with VCN-native pods can have one.
func (s *Sim) AddVirtualPool(v VirtualPool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findCluster(v.ClusterID)
	switch {
	case err != nil:
		return "", err
	case c.Type != "ENHANCED_CLUSTER" || c.CNI != cniNative:
		return "", errInvalid("virtual nodes need an enhanced cluster with VCN-native pod networking")
	case v.Name == "" || v.Size < 0 || len(v.Placements) == 0:
		return "", errInvalid("a virtual node pool needs a name, a size and a placement")
	}
	for _, pl := range v.Placements {
		if err := pl.check(s); err != nil {
			return "", err
		}
	}
	v.ID, v.Created, v.KubernetesVersion = s.newOCID("virtualnodepool"), time.Now(), c.KubernetesVersion
	for field, value := range map[*string]string{&v.CompartmentID: c.CompartmentID, &v.PodShape: "Pod.Standard.E4.Flex", &v.PodSubnetID: v.Placements[0].SubnetID} {
		if *field == "" {
			*field = value
		}
	}
	for i := range v.Size {
		pl := v.Placements[i%len(v.Placements)]
		s.ids++
		v.nodes = append(v.nodes, virtualNode{
			id: s.newOCID("virtualnode"), name: fmt.Sprintf("%s-%d", v.Name, i), ip: fmt.Sprintf("10.%d.%d.%d", s.ids>>16&0xff, s.ids>>8&0xff, s.ids&0xff),
			ad: pl.AD, fd: faultDomains[i%len(faultDomains)], subnet: pl.SubnetID})
	}
	s.compartment[v.CompartmentID] = true
	s.virtual = append(s.virtual, &v)
	return v.ID, nil
}

func (s *Sim) findVirtual(id string) (*VirtualPool, error) {
	i := slices.IndexFunc(s.virtual, func(v *VirtualPool) bool { return v.ID == id })
	if i < 0 {
		return nil, errNotFound("virtual node pool", id)
	}
	return s.virtual[i], nil
}

func (s *Sim) serveListVirtualNodePools(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	states, err := c.oneOf("lifecycleState", "CREATING", "ACTIVE", "UPDATING", "DELETING", "DELETED", "FAILED", "NEEDS_ATTENTION")
	if err != nil {
		return nil, err
	}
	all := filter(s.virtual, func(v *VirtualPool) bool {
		return v.CompartmentID == c.query("compartmentId") && (c.query("clusterId") == "" || c.query("clusterId") == v.ClusterID) &&
			(c.query("name") == "" || c.query("name") == v.Name) && (len(states) == 0 || slices.Contains(states, "ACTIVE"))
	})
	all, err = sorted(c, all, []string{"TIME_CREATED", "ID", "NAME"}, map[string]func(a, b *VirtualPool) int{
		"TIME_CREATED": func(a, b *VirtualPool) int { return a.Created.Compare(b.Created) },
		"ID":           ascending(func(v *VirtualPool) string { return v.ID }),
		"NAME":         ascending(func(v *VirtualPool) string { return v.Name }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, all, func(v *VirtualPool) string { return v.ID }, wireVirtualPool)
}

func (s *Sim) serveGetVirtualNodePool(c *call) (*answer, error) {
	v, err := s.findVirtual(c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	return ok(wireVirtualPool(v)).with("etag", etag(v.ID, 0)), nil
}

func wireVirtualPool(v *VirtualPool) map[string]any {
	places := []map[string]any{}
	for _, pl := range v.Placements {
		fds := pl.FaultDomains
		if len(fds) == 0 {
			fds = faultDomains
		}
		places = append(places, map[string]any{"availabilityDomain": pl.AD, "subnetId": pl.SubnetID, "faultDomain": fds})
	}
	taints := v.Taints
	if taints == nil {
		taints = []VirtualTaint{}
	}
	return map[string]any{"id": v.ID, "compartmentId": v.CompartmentID, "clusterId": v.ClusterID, "displayName": v.Name,
		"kubernetesVersion": v.KubernetesVersion, "size": v.Size, "lifecycleState": "ACTIVE", "timeCreated": wireTime(v.Created),
		"placementConfigurations": places, "podConfiguration": map[string]any{"subnetId": v.PodSubnetID, "shape": v.PodShape},
		"initialVirtualNodeLabels": wireLabels(v.Labels), "taints": taints}
}

func (s *Sim) serveListVirtualNodes(c *call) (*answer, error) {
	v, err := s.findVirtual(c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	all := filter(v.nodes, func(n virtualNode) bool { return c.query("name") == "" || c.query("name") == n.name })
	all, err = sorted(c, all, []string{"TIME_CREATED", "ID", "NAME"}, map[string]func(a, b virtualNode) int{
		"TIME_CREATED": func(a, b virtualNode) int { return 0 }, // made at once, in this order
		"ID":           ascending(func(n virtualNode) string { return n.id }),
		"NAME":         ascending(func(n virtualNode) string { return n.name }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, all, func(n virtualNode) string { return n.id }, v.wireNode)
}

func (s *Sim) serveGetVirtualNode(c *call) (*answer, error) {
	v, err := s.findVirtual(c.PathValue("pool"))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(v.nodes, func(n virtualNode) bool { return n.id == c.PathValue("node") })
	if i < 0 {
		return nil, errNotFound("virtual node", c.PathValue("node"))
	}
	return ok(v.wireNode(v.nodes[i])).with("etag", etag(v.nodes[i].id, 0)), nil
}

func (v *VirtualPool) wireNode(n virtualNode) map[string]any {
	return map[string]any{"id": n.id, "displayName": n.name, "virtualNodePoolId": v.ID, "kubernetesVersion": v.KubernetesVersion, "availabilityDomain": n.ad,
		"faultDomain": n.fd, "subnetId": n.subnet, "privateIp": n.ip, "lifecycleState": "ACTIVE", "timeCreated": wireTime(v.Created)}
}

// refuseVirtual answers a write on virtual node pools: accepting it without doing it would look like success.
func (s *Sim) refuseVirtual(c *call) (*answer, error) {
	return nil, &Error{501, "NotImplemented", "virtual node pools of this emulator can only be read: " + strings.ToUpper(c.Method) + " is not served"}
}
