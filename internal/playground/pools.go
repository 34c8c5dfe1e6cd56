package playground

import (
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/okesim"
)

// The three availability domains of the emulated region.
var availabilityDomains = []string{"Uocm:US-ASHBURN-AD-1", "Uocm:US-ASHBURN-AD-2", "Uocm:US-ASHBURN-AD-3"}

// Placements puts a pool into the first n of the region's three availability
// domains, one subnet for all.
func Placements(n int) []okesim.Placement {
	var placements []okesim.Placement
	for _, ad := range availabilityDomains[:n] {
		placements = append(placements, okesim.Placement{AD: ad, SubnetID: "ocid1.subnet.oc1.iad.aaaaaaaaplayground"})
	}
	return placements
}

// DemoVersion is the Kubernetes version that pools begin with: two minors older
// than the control plane, so that there is something to upgrade to and every
// step stays within the skew that Kubernetes allows.
const DemoVersion = "v1.34.1"

// DemoPools are the pools of the demo: an x86 pool over three availability
// domains, an Arm pool, and a GPU pool that starts empty.
func DemoPools() []okesim.Pool {
	return []okesim.Pool{
		{
			Name: "workers", Shape: "VM.Standard.E4.Flex", OCPUs: 2, MemoryGB: 16, Size: 3,
			Placements: Placements(3), KubernetesVersion: DemoVersion,
		},
		{
			Name: "arm", Shape: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12, Size: 1,
			Placements: Placements(1), KubernetesVersion: DemoVersion,
		},
		{
			Name: "gpu", Shape: "VM.GPU.A10.1", Size: 0,
			Placements: Placements(1), KubernetesVersion: DemoVersion,
		},
	}
}

// AvailabilityDomain completes the name of an availability domain of the
// emulated region: "AD-1" and "US-ASHBURN-AD-1" are "Uocm:US-ASHBURN-AD-1".
func AvailabilityDomain(name string) (string, error) {
	for _, ad := range availabilityDomains {
		if name == ad || name == zoneOf(ad) || strings.HasSuffix(ad, "-"+name) {
			return ad, nil
		}
	}
	return "", fmt.Errorf("no availability domain is called %q: there are %s", name, strings.Join(availabilityDomains, ", "))
}
