package okesim

import (
	"maps"
	"slices"
	"time"
)

// An Addon is an add-on of a cluster. Whoever scales a cluster wants to know whether Oracle's own "ClusterAutoscaler" is among them.
type Addon struct {
	Name    string            // "ClusterAutoscaler", "CoreDNS", ...
	Version string            // default "v1.0.0"
	State   string            // default "ACTIVE"
	Config  map[string]string // configurations by key
	Created time.Time
}

// InstallAddon adds or replaces an add-on of a cluster.
func (s *Sim) InstallAddon(cluster string, a Addon) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findCluster(cluster)
	if err != nil {
		return err
	}
	if a.Name == "" {
		return errMissing("addonName")
	}
	s.addAddon(c, a)
	return nil
}

// addAddon keeps them by name.
func (s *Sim) addAddon(c *Cluster, a Addon) {
	if a.Version == "" {
		a.Version = "v1.0.0"
	}
	if a.State == "" {
		a.State = "ACTIVE"
	}
	a.Created, a.Config = time.Now(), maps.Clone(a.Config)
	c.addons = slices.DeleteFunc(c.addons, func(old Addon) bool { return old.Name == a.Name })
	c.addons = append(c.addons, a)
	slices.SortFunc(c.addons, ascending(func(a Addon) string { return a.Name }))
	c.revision++
}

// essentialAddons are the ones that every cluster has from its first day.
func (s *Sim) essentialAddons(c *Cluster) {
	network := "OciVcnIpNative"
	if c.CNI == cniFlannel {
		network = "Flannel"
	}
	for _, name := range []string{"CoreDNS", "KubeProxy", network} {
		s.addAddon(c, Addon{Name: name})
	}
}

func (a Addon) wire() map[string]any {
	config := []map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(a.Config)) {
		config = append(config, map[string]string{"key": key, "value": a.Config[key]})
	}
	return map[string]any{"name": a.Name, "version": a.Version, "currentInstalledVersion": a.Version, "lifecycleState": a.State,
		"timeCreated": wireTime(a.Created), "configurations": config}
}

func (s *Sim) serveListAddons(c *call) (*answer, error) {
	cl, err := s.findCluster(c.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	all, err := sorted(c, cl.addons, []string{"NAME", "TIME_CREATED"}, map[string]func(a, b Addon) int{
		"NAME":         ascending(func(a Addon) string { return a.Name }),
		"TIME_CREATED": func(a, b Addon) int { return a.Created.Compare(b.Created) },
	})
	if err != nil {
		return nil, err
	}
	return list(s, c, all, func(a Addon) string { return a.Name }, Addon.wire)
}

func (s *Sim) serveGetAddon(c *call) (*answer, error) {
	cl, err := s.findCluster(c.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(cl.addons, func(a Addon) bool { return a.Name == c.PathValue("addon") })
	if i < 0 {
		return nil, errNotFound("add-on", c.PathValue("addon"))
	}
	return ok(cl.addons[i].wire()).with("etag", etag(cl.ID+cl.addons[i].Name, cl.revision)), nil
}
