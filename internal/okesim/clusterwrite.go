package okesim

import (
	"encoding/json"
	"slices"
	"strings"
)

// clusterUpdate is the body of UpdateCluster, every field of the API. What the emulator does not act on it refuses.
type clusterUpdate struct {
	Name              *string         `json:"name"`
	KubernetesVersion *string         `json:"kubernetesVersion"`
	Type              *string         `json:"type"`
	FreeformTags      json.RawMessage `json:"freeformTags"`
	DefinedTags       json.RawMessage `json:"definedTags"`
	Options           json.RawMessage `json:"options"`
	ImagePolicyConfig json.RawMessage `json:"imagePolicyConfig"`
}

func (s *Sim) serveUpdateCluster(c *call) (*answer, error) {
	cl, err := s.findCluster(c.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	if err := matchEtag(c.ifMatch(), etag(cl.ID, cl.revision)); err != nil {
		return nil, err
	}
	var u clusterUpdate
	if err := c.decode(&u); err != nil {
		return nil, err
	}
	if err := s.checkCluster(cl, u); err != nil {
		return nil, err
	}
	cl.updating++
	cl.revision++
	w := s.newClusterWork(cl, "CLUSTER_UPDATE", func() {
		set(&cl.Name, u.Name)
		set(&cl.KubernetesVersion, u.KubernetesVersion)
		set(&cl.Type, u.Type)
		cl.updating--
		cl.revision++
	})
	return accepted(w), nil
}

// checkCluster refuses what the service refuses: a control plane goes up one minor version at a time, and an enhanced cluster never
// becomes a basic one again.
func (s *Sim) checkCluster(cl *Cluster, u clusterUpdate) error {
	for name, raw := range map[string]json.RawMessage{"freeformTags": u.FreeformTags, "definedTags": u.DefinedTags, "options": u.Options, "imagePolicyConfig": u.ImagePolicyConfig} {
		if raw != nil && string(raw) != "null" {
			return &Error{501, "NotImplemented", name + " of a cluster cannot be changed in this emulator"}
		}
	}
	switch {
	case cl.updating > 0:
		return errIncorrectState("cluster %s is UPDATING", cl.ID)
	case u.Type != nil && *u.Type != cl.Type && *u.Type != "ENHANCED_CLUSTER":
		return errInvalid("cluster %s cannot become a %s", cl.ID, *u.Type)
	}
	if v := u.KubernetesVersion; v != nil && *v != cl.KubernetesVersion && !slices.Contains(cl.upgrades(), *v) {
		return errInvalid("kubernetesVersion %q is not one of the available upgrades: %s", *v, strings.Join(cl.upgrades(), ", "))
	}
	return nil
}
