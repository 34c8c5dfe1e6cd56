package okesim

import (
	"cmp"
	"slices"
)

type wireCNI struct {
	CNIType string `json:"cniType"`
}

type wireCluster struct {
	ID                string            `json:"id"`
	Name              string            `json:"name"`
	CompartmentID     string            `json:"compartmentId"`
	VCNID             string            `json:"vcnId"`
	KubernetesVersion string            `json:"kubernetesVersion"`
	State             string            `json:"lifecycleState"`
	Endpoints         map[string]string `json:"endpoints,omitempty"`
	EndpointConfig    map[string]any    `json:"endpointConfig"`
	Metadata          map[string]string `json:"metadata"`
	Upgrades          []string          `json:"availableKubernetesUpgrades"`
	PodNetworks       []wireCNI         `json:"clusterPodNetworkOptions"`
	Type              string            `json:"type"`
}

func wireClusterOf(c *Cluster) wireCluster {
	w := wireCluster{ID: c.ID, Name: c.Name, CompartmentID: c.CompartmentID, VCNID: c.VCNID, KubernetesVersion: c.KubernetesVersion, State: "ACTIVE",
		EndpointConfig: map[string]any{"isPublicIpEnabled": c.PublicEndpoint != ""}, Metadata: map[string]string{"timeCreated": wireTime(c.Created)}, Upgrades: []string{}, PodNetworks: []wireCNI{{c.CNI}}, Type: c.Type}
	if c.updating > 0 {
		w.State = "UPDATING"
	}
	w.Endpoints = map[string]string{}
	for name, value := range map[string]string{"kubernetes": cmp.Or(c.PublicEndpoint, c.Endpoint), "privateEndpoint": c.Endpoint,
		"publicEndpoint": c.PublicEndpoint, "vcnHostnameEndpoint": c.VCNHostname} {
		if value != "" {
			w.Endpoints[name] = value
		}
	}
	w.Upgrades = append(w.Upgrades, c.upgrades()...)
	return w
}

// upgrades are the versions that the control plane could go to now.
func (c *Cluster) upgrades() (versions []string) {
	have, _ := minorOf(c.KubernetesVersion)
	for _, v := range kubernetesVersions {
		// One minor at a time, and what a worker could not follow the control plane to is no upgrade.
		if minor, _ := minorOf(v); minor <= have+1 && v != c.KubernetesVersion && checkSkew(c.KubernetesVersion, v) == nil {
			versions = append(versions, v)
		}
	}
	return versions
}

func (s *Sim) serveListClusters(c *call) (*answer, error) {
	if err := s.findCompartment(c.query("compartmentId")); err != nil {
		return nil, err
	}
	states, err := c.oneOf("lifecycleState", "CREATING", "ACTIVE", "FAILED", "DELETING", "DELETED", "UPDATING")
	if err != nil {
		return nil, err
	}
	clusters := filter(s.clusters, func(cl *Cluster) bool {
		return cl.CompartmentID == c.query("compartmentId") && (c.query("name") == "" || c.query("name") == cl.Name) &&
			(len(states) == 0 || slices.Contains(states, "ACTIVE"))
	})
	clusters, err = sorted(c, clusters, []string{"TIME_CREATED", "ID", "NAME"}, map[string]func(a, b *Cluster) int{
		"TIME_CREATED": func(a, b *Cluster) int { return a.Created.Compare(b.Created) },
		"ID":           ascending(func(cl *Cluster) string { return cl.ID }),
		"NAME":         ascending(func(cl *Cluster) string { return cl.Name }),
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, clusters, func(cl *Cluster) string { return cl.ID }, wireClusterOf)
}

func (s *Sim) serveGetCluster(c *call) (*answer, error) {
	cl, err := s.findCluster(c.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	return ok(wireClusterOf(cl)).with("etag", etag(cl.ID, cl.revision)), nil
}

func (s *Sim) serveGetClusterOptions(c *call) (*answer, error) {
	versions, err := s.versionsFor(c.PathValue("option"))
	if err != nil {
		return nil, err
	}
	return ok(map[string]any{"kubernetesVersions": versions, "clusterPodNetworkOptions": []wireCNI{{cniNative}, {cniFlannel}}}), nil
}

// versionsFor are the versions that the options "all" or of one cluster list: for a cluster only what its nodes may have.
func (s *Sim) versionsFor(option string) ([]string, error) {
	if option == "all" {
		return kubernetesVersions, nil
	}
	cl, err := s.findCluster(option)
	if err != nil {
		return nil, err
	}
	return filter(kubernetesVersions, func(v string) bool { return checkSkew(v, cl.KubernetesVersion) == nil }), nil
}

func (s *Sim) serveGetNodePoolOptions(c *call) (*answer, error) {
	if id := c.query("compartmentId"); id != "" {
		if err := s.findCompartment(id); err != nil {
			return nil, err
		}
	}
	versions, err := s.versionsFor(c.PathValue("option"))
	if err != nil {
		return nil, err
	}
	arch, err := c.oneOf("nodePoolOsArch", "X86_64", "AARCH64")
	if err != nil {
		return nil, err
	}
	system, err := c.oneOf("nodePoolOsType", "OL7", "OL8", "UBUNTU")
	if err != nil {
		return nil, err
	}
	if v := c.query("nodePoolK8sVersion"); v != "" {
		versions = filter(versions, func(have string) bool { return have == v || have == "v"+v })
	}
	images := filter(s.images, func(i *Image) bool {
		return !i.Retired && slices.Contains(versions, i.KubernetesVersion) &&
			(len(arch) == 0 || (arch[0] == "AARCH64") == (i.Arch == "arm64")) && (len(system) == 0 || system[0] == "OL8")
	})
	sources, imageNames, shapeNames := []wireSource{}, []string{}, []string{}
	for _, i := range slices.Backward(images) { // newest first
		sources = append(sources, wireSource{SourceType: "IMAGE", SourceName: i.Name, ImageID: i.ID})
		imageNames = append(imageNames, i.Name)
	}
	for _, sh := range shapes {
		shapeNames = append(shapeNames, sh.Name)
	}
	return ok(map[string]any{"kubernetesVersions": versions, "shapes": shapeNames, "images": imageNames, "sources": sources}), nil
}
