package cycle

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/tidemill/tidemill/cloudprovider"
)

// chooseRelease finds the newest image of a version that the control plane
// bears. why says what stands in the way, refused whether for good.
func chooseRelease(to, controlPlane string, pool cloudprovider.NodePool, offers map[cloudprovider.PoolID]Offer) (r cloudprovider.Release, why *Wait, refused bool) {
	if controlPlane == "" {
		return r, &Wait{ControlPlaneUnknown, "the control plane's version is not known, so that skew cannot be checked"}, false
	}
	if message := skew(to, controlPlane); message != "" {
		return r, &Wait{VersionSkew, message}, true
	}
	offer, ok := offers[pool.ID]
	switch {
	case !ok:
		return r, &Wait{ReleasesUnknown, "the releases of the pool have not been looked up yet"}, false
	case errors.Is(offer.Err, cloudprovider.ErrNotSupported):
		return r, &Wait{VersionNotOffered, "this cloud cannot change a pool's release"}, true
	case offer.Err != nil:
		return r, &Wait{ReleasesUnknown, "the releases of the pool cannot be looked up: " + offer.Err.Error()}, false
	}
	if r, ok := newest(to, pool.Release, offer.Releases); ok {
		return r, nil, false
	}
	return r, &Wait{VersionNotOffered, fmt.Sprintf("there is no image of %s for shape %s; offered are %s", to, pool.Shape, versions(offer.Releases))}, true
}

// skew is what is wrong with a kubelet version under a control plane: never
// newer, and at most three minors older.
func skew(to, controlPlane string) string {
	node, err := version.ParseGeneric(to)
	if err != nil {
		return err.Error()
	}
	plane, err := version.ParseGeneric(controlPlane)
	if err != nil {
		return fmt.Sprintf("the control plane's version %q cannot be read", controlPlane)
	}
	switch {
	case plane.LessThan(node):
		return fmt.Sprintf("%s is newer than the control plane (%s): upgrade the control plane first", to, controlPlane)
	case plane.Major() != node.Major() || plane.Minor()-node.Minor() > 3:
		return fmt.Sprintf("%s is more than three minor versions older than the control plane (%s)", to, controlPlane)
	}
	return ""
}

// newest is the first release of a version, those first whose image is of the
// same family as the pool's: an upgrade of Kubernetes is no reason to change
// the operating system.
func newest(to string, now cloudprovider.Release, offered []cloudprovider.Release) (cloudprovider.Release, bool) {
	var first *cloudprovider.Release
	for i, r := range offered {
		if r.Kubernetes != to {
			continue
		}
		if family(r.ImageName) == family(now.ImageName) {
			return r, true
		}
		if first == nil {
			first = &offered[i]
		}
	}
	if first == nil {
		return cloudprovider.Release{}, false
	}
	return *first, true
}

var imageDate = regexp.MustCompile(`-20[0-9]{2}\.[0-9]{2}\.[0-9]{2}.*$`)

// family is an image name without its date and what follows:
// "Oracle-Linux-8.10-2025.09.16-0-OKE-1.34.1-1191" is an "Oracle-Linux-8.10".
func family(imageName string) string { return imageDate.ReplaceAllString(imageName, "") }

func versions(offered []cloudprovider.Release) string {
	var out []string
	for _, r := range offered {
		if len(out) == 0 || out[len(out)-1] != r.Kubernetes {
			out = append(out, r.Kubernetes)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
