package okesim

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// keyValue is how Container Engine writes one label.
type keyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type wireShapeConfig struct {
	OCPUs    float32 `json:"ocpus"`
	MemoryGB float32 `json:"memoryInGBs"`
}

type wireSource struct {
	SourceType   string `json:"sourceType"`
	SourceName   string `json:"sourceName,omitempty"`
	ImageID      string `json:"imageId"`
	BootVolumeGB int    `json:"bootVolumeSizeInGBs,omitempty"`
}

type wirePlacement struct {
	AD                    string            `json:"availabilityDomain"`
	SubnetID              string            `json:"subnetId"`
	CapacityReservationID string            `json:"capacityReservationId,omitempty"`
	HostGroupID           string            `json:"hostGroupId,omitempty"`
	FaultDomains          []string          `json:"faultDomains,omitempty"`
	Preemptible           *wirePreemptibles `json:"preemptibleNodeConfig,omitempty"`
}

type wirePreemptibles struct {
	Action struct {
		Type                 string `json:"type"`
		IsPreserveBootVolume bool   `json:"isPreserveBootVolume"`
	} `json:"preemptionAction"`
}

type wireNodeError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

type wireNode struct {
	ID                json.RawMessage `json:"id,omitempty"` // raw, as it can be text, null or absent
	Name              string          `json:"name"`
	KubernetesVersion string          `json:"kubernetesVersion"`
	AD                string          `json:"availabilityDomain"`
	SubnetID          string          `json:"subnetId"`
	NodePoolID        string          `json:"nodePoolId"`
	FaultDomain       string          `json:"faultDomain"`
	PrivateIP         string          `json:"privateIp,omitempty"`
	Error             *wireNodeError  `json:"nodeError,omitempty"`
	State             string          `json:"lifecycleState"`
	Details           string          `json:"lifecycleDetails,omitempty"`
}

// wirePool is a NodePool, and a NodePoolSummary when it has no nodes. Its sub-objects are maps because opaque fields join them.
type wirePool map[string]any

func (s *Sim) wirePoolSummary(p *pool) wirePool {
	spec := p.spec
	image := s.imageName(spec.ImageID)
	w := wirePool{
		"id": p.id, "lifecycleState": p.state, "lifecycleDetails": p.details,
		"compartmentId": spec.CompartmentID, "clusterId": spec.ClusterID, "name": spec.Name, "kubernetesVersion": spec.KubernetesVersion,
		"nodeMetadata": spec.Metadata, "freeformTags": spec.FreeformTags, "initialNodeLabels": wireLabels(spec.Labels),
		"nodeShape": spec.Shape, "nodeShapeConfig": wireShapeConfig{spec.OCPUs, spec.MemoryGB},
		"nodeImageId": spec.ImageID, "nodeImageName": image,
		"nodeSource":        wireSource{SourceType: "IMAGE", SourceName: image, ImageID: spec.ImageID},
		"nodeSourceDetails": wireSource{SourceType: "IMAGE", ImageID: spec.ImageID, BootVolumeGB: spec.BootVolumeGB},
		"subnetIds":         []string{},
	}
	network := map[string]any{"cniType": spec.CNI}
	if spec.CNI == cniNative && spec.MaxPods > 0 {
		network["maxPodsPerNode"] = spec.MaxPods
	}
	config := map[string]any{"size": spec.Size, "placementConfigs": wirePlacements(spec.Placements), "nodePoolPodNetworkOptionDetails": network}
	w["nodeConfigDetails"] = config
	levels := map[string]map[string]any{"": w, configPrefix: config, networkPrefix: network}
	for name, value := range spec.Opaque {
		prefix := name[:strings.LastIndex(name, ".")+1]
		levels[prefix][strings.TrimPrefix(name, prefix)] = value
	}
	return w
}

// Where an opaque field sits in the document.
const (
	configPrefix  = "nodeConfigDetails."
	networkPrefix = "nodeConfigDetails.nodePoolPodNetworkOptionDetails."
)

func (s *Sim) wirePool(p *pool) wirePool {
	w := s.wirePoolSummary(p)
	nodes := []wireNode{}
	for _, n := range p.nodes {
		nodes = append(nodes, s.wireNode(p, n.view()))
	}
	w["nodes"] = nodes
	return w
}

func (s *Sim) wireNode(p *pool, n NodeView) wireNode {
	w := wireNode{ID: s.wireNodeID(n.ID), Name: n.Name, KubernetesVersion: n.KubernetesVersion, AD: n.AD, SubnetID: n.SubnetID, NodePoolID: p.id,
		FaultDomain: n.FaultDomain, PrivateIP: n.PrivateIP, State: n.State}
	if n.Error != nil {
		w.Error = &wireNodeError{n.Error.Code, n.Error.Message, n.Error.Status}
		w.Details = n.Error.Message
	}
	return w
}

func (s *Sim) wireNodeID(id string) json.RawMessage {
	switch {
	case id != "":
		return json.RawMessage(`"` + id + `"`)
	case s.opt.IDForm == "null":
		return json.RawMessage(`null`)
	case s.opt.IDForm == "absent":
		return nil
	}
	return json.RawMessage(`""`)
}

func wireLabels(labels map[string]string) []keyValue {
	list := make([]keyValue, 0, len(labels))
	for k, v := range labels {
		list = append(list, keyValue{k, v})
	}
	slices.SortFunc(list, func(a, b keyValue) int { return strings.Compare(a.Key, b.Key) })
	return list
}

func wirePlacements(places []Placement) []wirePlacement {
	list := make([]wirePlacement, 0, len(places))
	for _, pl := range places {
		w := wirePlacement{AD: pl.AD, SubnetID: pl.SubnetID, CapacityReservationID: pl.CapacityReservationID, FaultDomains: pl.FaultDomains}
		if pl.Preemptible {
			w.Preemptible = &wirePreemptibles{}
			w.Preemptible.Action.Type = "TERMINATE"
		}
		list = append(list, w)
	}
	return list
}

// wireTime is RFC 3339 with a fraction, as the service writes times; a zero time is left out.
func wireTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
