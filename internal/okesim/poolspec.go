package okesim

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	cniNative   = "OCI_VCN_IP_NATIVE"
	cniFlannel  = "FLANNEL_OVERLAY"
	maxPoolSize = 1000
	minBootGB   = 50
)

// clone is a copy that shares nothing with the original that anyone writes to.
func (p Pool) clone() Pool {
	p.Placements = slices.Clone(p.Placements)
	for i := range p.Placements {
		p.Placements[i].FaultDomains = slices.Clone(p.Placements[i].FaultDomains)
	}
	p.Labels, p.Metadata, p.FreeformTags = maps.Clone(p.Labels), maps.Clone(p.Metadata), maps.Clone(p.FreeformTags)
	p.Opaque = maps.Clone(p.Opaque)
	return p
}

// merge returns the specification with the update applied: what the update does not mention stays.
func (p Pool) merge(u PoolUpdate) Pool {
	p = p.clone()
	set(&p.Name, u.Name)
	set(&p.KubernetesVersion, u.KubernetesVersion)
	set(&p.ImageID, u.ImageID)
	set(&p.BootVolumeGB, u.BootVolumeGB)
	set(&p.Shape, u.Shape)
	set(&p.OCPUs, u.OCPUs)
	set(&p.MemoryGB, u.MemoryGB)
	set(&p.Size, u.Size)
	set(&p.CNI, u.CNI)
	set(&p.MaxPods, u.MaxPods)
	if u.Placements != nil {
		p.Placements = u.Placements
	}
	if u.Labels != nil {
		p.Labels = u.Labels
	}
	if u.Metadata != nil {
		p.Metadata = u.Metadata
	}
	if u.FreeformTags != nil {
		p.FreeformTags = u.FreeformTags
	}
	if p.Opaque == nil {
		p.Opaque = map[string]json.RawMessage{}
	}
	maps.Copy(p.Opaque, u.Opaque)
	return p.clone()
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// complete fills the defaults that depend on the cluster and the shape.
func (s *Sim) complete(p *Pool, c *Cluster) error {
	sh, err := findShape(p.Shape)
	if err != nil {
		return err
	}
	if p.CompartmentID == "" {
		p.CompartmentID = c.CompartmentID
	}
	if p.KubernetesVersion == "" {
		p.KubernetesVersion = c.KubernetesVersion
	}
	if p.OCPUs == 0 {
		p.OCPUs = sh.OCPUs
	}
	if p.MemoryGB == 0 {
		p.MemoryGB = sh.MemoryGB
		if sh.Flexible {
			p.MemoryGB = p.OCPUs * sh.DefaultMemoryGBPerOCPU
		}
	}
	if p.BootVolumeGB == 0 {
		p.BootVolumeGB = minBootGB
	}
	if p.CNI == "" {
		p.CNI = c.CNI
	}
	if p.ImageID == "" {
		image, err := s.newestImage(p.KubernetesVersion, sh)
		if err != nil {
			return err
		}
		p.ImageID = image.ID
	}
	return nil
}

// check refuses a specification that no pool can have. Whether its image exists and fits is checkRelease's question:
// a pool whose image was retired must still be able to shrink.
func (p Pool) check(s *Sim) error {
	sh, err := findShape(p.Shape)
	if err != nil {
		return err
	}
	switch {
	case p.Name == "":
		return errMissing("name")
	case p.Size < 0:
		return errInvalid("nodeConfigDetails.size must not be negative, not %d", p.Size)
	case p.Size > maxPoolSize:
		return errLimit("nodeConfigDetails.size %d is more than the limit of %d nodes per node pool", p.Size, maxPoolSize)
	case p.BootVolumeGB < minBootGB:
		return errInvalid("bootVolumeSizeInGBs must be at least %d, not %d", minBootGB, p.BootVolumeGB)
	case p.CNI != cniNative && p.CNI != cniFlannel:
		return errInvalid("cniType %q is not known", p.CNI)
	case p.MaxPods < 0 || p.MaxPods > mostPods:
		return errInvalid("maxPodsPerNode must be 1 to %d, not %d", mostPods, p.MaxPods)
	case len(p.Placements) == 0:
		return errInvalid("nodeConfigDetails.placementConfigs must name at least one placement")
	}
	for _, place := range p.Placements {
		if err := place.check(s); err != nil {
			return err
		}
	}
	return sh.checkSize(p.OCPUs, p.MemoryGB)
}

func (pl Placement) check(s *Sim) error {
	if err := s.findAD(pl.AD); err != nil {
		return err
	}
	if pl.SubnetID == "" {
		return errMissing("placementConfigs.subnetId")
	}
	for _, fd := range pl.FaultDomains {
		if !slices.Contains(faultDomains, fd) {
			return errInvalid("fault domain %q is not known", fd)
		}
	}
	return nil
}

// checkRelease refuses a Kubernetes version that the control plane or the image does not allow.
func (s *Sim) checkRelease(p Pool, c *Cluster) error {
	if err := checkSkew(p.KubernetesVersion, c.KubernetesVersion); err != nil {
		return err
	}
	if !slices.Contains(kubernetesVersions, p.KubernetesVersion) {
		return errInvalid("kubernetesVersion %q is not one of %s", p.KubernetesVersion, strings.Join(kubernetesVersions, ", "))
	}
	image, err := s.findImage(p.ImageID)
	if err != nil {
		return err
	}
	if image.KubernetesVersion != p.KubernetesVersion {
		return errConflict("Kubernetes version does not match Kubernetes version of OKE worker node image (%s)", image.KubernetesVersion)
	}
	sh, err := findShape(p.Shape)
	if err != nil {
		return err
	}
	if image.Arch != sh.Arch {
		return errInvalid("image %s (%s) does not run on shape %s (%s)", image.Name, image.Arch, sh.Name, sh.Arch)
	}
	return nil
}

// checkSkew is the service's rule: a worker is never newer than the control plane and at most three minors older, two before 1.28.
func checkSkew(worker, control string) error {
	w, okW := minorOf(worker)
	c, okC := minorOf(control)
	if !okW || !okC {
		return errInvalid("kubernetesVersion %q is not of the form v1.34.1", worker)
	}
	allowed := 3
	if c < 28 {
		allowed = 2
	}
	if w > c || (w == c && patchOf(worker) > patchOf(control)) {
		return errInvalid("kubernetesVersion %s is newer than the control plane's %s", worker, control)
	}
	if c-w > allowed {
		return errInvalid("kubernetesVersion %s is more than %d minor versions older than the control plane's %s", worker, allowed, control)
	}
	return nil
}

func minorOf(version string) (int, bool) {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) != 3 || parts[0] != "1" || !strings.HasPrefix(version, "v") {
		return 0, false
	}
	n, err := strconv.Atoi(parts[1])
	return n, err == nil
}

func patchOf(version string) int {
	_, patch, _ := strings.Cut(version[strings.Index(version, ".")+1:], ".")
	n, _ := strconv.Atoi(patch)
	return n
}
