package okesim

import (
	"encoding/json"
	"maps"
)

// poolWrite is the body of CreateNodePool and UpdateNodePool: every field of the API, as anything else is refused.
// What the emulator does not act on is kept raw and returned as it came.
type poolWrite struct {
	CompartmentID     *string           `json:"compartmentId"` // create only, as is the next
	ClusterID         *string           `json:"clusterId"`
	Name              *string           `json:"name"`
	KubernetesVersion *string           `json:"kubernetesVersion"`
	NodeShape         *string           `json:"nodeShape"`
	NodeImageName     *string           `json:"nodeImageName"`
	ShapeConfig       *shapeConfigWrite `json:"nodeShapeConfig"`
	Source            *sourceWrite      `json:"nodeSourceDetails"`
	Labels            *[]keyValue       `json:"initialNodeLabels"`
	Metadata          map[string]string `json:"nodeMetadata"`
	FreeformTags      map[string]string `json:"freeformTags"`
	Config            *configWrite      `json:"nodeConfigDetails"`
	Cycling           json.RawMessage   `json:"nodePoolCyclingDetails"`

	DefinedTags       json.RawMessage `json:"definedTags"`
	SSHPublicKey      json.RawMessage `json:"sshPublicKey"`
	Eviction          json.RawMessage `json:"nodeEvictionNodePoolSettings"`
	SecondaryVNICs    json.RawMessage `json:"secondaryVnics"`
	NetworkLaunchType json.RawMessage `json:"networkLaunchType"`
	PrimaryVNIC       json.RawMessage `json:"primaryVnic"`
}

type shapeConfigWrite struct {
	OCPUs    *float32 `json:"ocpus"`
	MemoryGB *float32 `json:"memoryInGBs"`
}

type sourceWrite struct {
	SourceType   string  `json:"sourceType"`
	ImageID      *string `json:"imageId"`
	BootVolumeGB *int    `json:"bootVolumeSizeInGBs"`
}

type configWrite struct {
	Size             *int             `json:"size"`
	Placements       *[]wirePlacement `json:"placementConfigs"`
	Network          *networkWrite    `json:"nodePoolPodNetworkOptionDetails"`
	NSGs             json.RawMessage  `json:"nsgIds"`
	KMSKey           json.RawMessage  `json:"kmsKeyId"`
	PVEncryption     json.RawMessage  `json:"isPvEncryptionInTransitEnabled"`
	ComputeClusterID json.RawMessage  `json:"computeClusterId"`
	FreeformTags     json.RawMessage  `json:"freeformTags"`
	DefinedTags      json.RawMessage  `json:"definedTags"`
}

type networkWrite struct {
	CNIType    *string         `json:"cniType"`
	MaxPods    *int            `json:"maxPodsPerNode"`
	PodNSGs    json.RawMessage `json:"podNsgIds"`
	PodSubnets json.RawMessage `json:"podSubnetIds"`
}

// update turns the body into a change of a pool.
func (w *poolWrite) update() (PoolUpdate, error) {
	u := PoolUpdate{Name: w.Name, KubernetesVersion: w.KubernetesVersion, Shape: w.NodeShape, Metadata: w.Metadata, FreeformTags: w.FreeformTags,
		Opaque: map[string]json.RawMessage{}}
	if w.ShapeConfig != nil {
		u.OCPUs, u.MemoryGB = w.ShapeConfig.OCPUs, w.ShapeConfig.MemoryGB
	}
	if w.Source != nil {
		if w.Source.SourceType != "IMAGE" {
			return u, errInvalid("nodeSourceDetails.sourceType %q is not IMAGE", w.Source.SourceType)
		}
		if w.Source.ImageID == nil {
			return u, errMissing("nodeSourceDetails.imageId")
		}
		u.ImageID, u.BootVolumeGB = w.Source.ImageID, w.Source.BootVolumeGB
	}
	if w.Labels != nil {
		u.Labels = map[string]string{}
		for _, kv := range *w.Labels {
			u.Labels[kv.Key] = kv.Value
		}
	}
	keep(u.Opaque, "", map[string]json.RawMessage{"definedTags": w.DefinedTags, "sshPublicKey": w.SSHPublicKey, "nodeEvictionNodePoolSettings": w.Eviction,
		"secondaryVnics": w.SecondaryVNICs, "networkLaunchType": w.NetworkLaunchType, "primaryVnic": w.PrimaryVNIC, "nodePoolCyclingDetails": w.Cycling})
	var err error
	if u.Cycling, err = parseCycling(w.Cycling); err != nil {
		return u, err
	}
	if err := w.checkEviction(); err != nil {
		return u, err
	}
	err = w.Config.update(&u)
	return u, err
}

func (w *configWrite) update(u *PoolUpdate) error {
	if w == nil {
		return nil
	}
	u.Size = w.Size
	if w.Placements != nil {
		u.Placements = []Placement{}
		for _, place := range *w.Placements {
			pl, err := place.placement()
			if err != nil {
				return err
			}
			u.Placements = append(u.Placements, pl)
		}
	}
	keep(u.Opaque, configPrefix, map[string]json.RawMessage{"nsgIds": w.NSGs, "kmsKeyId": w.KMSKey, "isPvEncryptionInTransitEnabled": w.PVEncryption,
		"computeClusterId": w.ComputeClusterID, "freeformTags": w.FreeformTags, "definedTags": w.DefinedTags})
	if n := w.Network; n != nil {
		u.CNI, u.MaxPods = n.CNIType, n.MaxPods
		keep(u.Opaque, networkPrefix, map[string]json.RawMessage{"podNsgIds": n.PodNSGs, "podSubnetIds": n.PodSubnets})
	}
	return nil
}

func (w wirePlacement) placement() (Placement, error) {
	if w.Preemptible != nil && w.Preemptible.Action.Type != "TERMINATE" {
		return Placement{}, errInvalid("preemptionAction.type %q is not TERMINATE", w.Preemptible.Action.Type)
	}
	if w.HostGroupID != "" {
		return Placement{}, errInvalid("hostGroupId: host groups are not part of this emulator")
	}
	return Placement{AD: w.AD, SubnetID: w.SubnetID, FaultDomains: w.FaultDomains, CapacityReservationID: w.CapacityReservationID,
		Preemptible: w.Preemptible != nil}, nil
}

// checkEviction refuses eviction settings that no call could use later.
func (w *poolWrite) checkEviction() error {
	if w.Eviction == nil {
		return nil
	}
	var e evictionSettings
	if err := json.Unmarshal(w.Eviction, &e); err != nil {
		return errUnparsable(err)
	}
	_, err := e.deletion()
	return err
}

// keep copies the raw fields that were given.
func keep(into map[string]json.RawMessage, prefix string, fields map[string]json.RawMessage) {
	maps.DeleteFunc(fields, func(_ string, v json.RawMessage) bool { return v == nil || string(v) == "null" })
	for name, value := range fields {
		into[prefix+name] = value
	}
}
