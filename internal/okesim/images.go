package okesim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// kubernetesVersions are the versions that new pools may have, oldest first.
var kubernetesVersions = []string{"v1.33.1", "v1.34.1", "v1.34.2", "v1.35.0"}

// imageBuilds are the dates on which images were made for every version. Two dates, so that "the newest matching image" has to look.
var imageBuilds = []struct {
	date  string
	build int
}{
	{"2026.05.29", 1084},
	{"2026.07.31", 1191},
}

// An Image is an OKE worker node image.
type Image struct {
	ID                string
	Name              string // "Oracle-Linux-8.10-2026.07.31-0-OKE-1.34.1-1191"
	KubernetesVersion string // "v1.34.1"
	Arch              string // "amd64" or "arm64"
	GPU               bool   // with GPU drivers ("Gen2-GPU" in the name)
	OSVersion         string // "8.10"
	Created           time.Time
	Retired           bool // no longer usable; GetImage answers 404
}

// seedImages adds one image per version, date and kind, oldest first.
func (s *Sim) seedImages() {
	kinds := []Image{{Arch: "amd64"}, {Arch: "arm64"}, {Arch: "amd64", GPU: true}}
	infix := []string{"", "aarch64-", "Gen2-GPU-"}
	for _, b := range imageBuilds {
		created, err := time.Parse("2006.01.02", b.date)
		if err != nil {
			panic(err) // the table above is wrong
		}
		for _, version := range kubernetesVersions {
			for i, kind := range kinds {
				kind.ID = s.newOCID("image")
				kind.Name = fmt.Sprintf("Oracle-Linux-8.10-%s%s-0-OKE-%s-%d", infix[i], b.date, strings.TrimPrefix(version, "v"), b.build)
				kind.KubernetesVersion = version
				kind.OSVersion = "8.10"
				kind.Created = created
				s.images = append(s.images, &kind)
			}
		}
	}
}

// Images returns the images that have not been retired, oldest first.
func (s *Sim) Images() []Image {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Image
	for _, i := range s.images {
		if !i.Retired {
			all = append(all, *i)
		}
	}
	return all
}

// NewestImage returns the newest image for a Kubernetes version ("v1.34.1") and a shape.
func (s *Sim) NewestImage(version, shape string) (Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh, err := findShape(shape)
	if err != nil {
		return Image{}, err
	}
	i, err := s.newestImage(version, sh)
	if err != nil {
		return Image{}, err
	}
	return *i, nil
}

// RetireImage makes an image unusable: pools keep naming it, but nothing can be launched from it.
func (s *Sim) RetireImage(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findImage(id)
	if err != nil {
		return err
	}
	i.Retired = true
	return nil
}

func (s *Sim) findImage(id string) (*Image, error) {
	i := slices.IndexFunc(s.images, func(i *Image) bool { return i.ID == id && !i.Retired })
	if i < 0 {
		return nil, errNotFound("image", id)
	}
	return s.images[i], nil
}

// imageName is the name of an image, retired or not.
func (s *Sim) imageName(id string) string {
	for _, i := range s.images {
		if i.ID == id {
			return i.Name
		}
	}
	return ""
}

func (s *Sim) newestImage(version string, sh Shape) (*Image, error) {
	for _, i := range slices.Backward(s.images) {
		if i.KubernetesVersion == version && i.Arch == sh.Arch && i.GPU == (sh.GPUs > 0) && !i.Retired {
			return i, nil
		}
	}
	return nil, errInvalid("there is no image of Kubernetes %s for shape %s", version, sh.Name)
}
