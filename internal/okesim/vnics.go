package okesim

import (
	"fmt"
	"strings"
)

// vnic is one network card of an instance. The first carries the node's address, the others the pods' (VCN-native networking only).
type vnic struct {
	id, ip, mac string
	vlan        int
	primary     bool
}

// vnicsOf derives the cards from the instance: there is nothing about them that could change.
func (s *Sim) vnicsOf(i *instance) []vnic {
	count := 1
	if i.CNI == cniNative {
		count += (i.MaxPods + podsPerVNIC - 1) / podsPerVNIC
	}
	var all []vnic
	for k := range count {
		v := vnic{id: ocid("vnic", s.regionKey(), fmt.Sprint(i.ID, k)), ip: i.PrivateIP, vlan: 100 + k, primary: k == 0}
		if k > 0 {
			octets := strings.Split(i.PrivateIP, ".")
			v.ip = fmt.Sprintf("10.%d.%s.%s", 128+k, octets[2], octets[3])
		}
		sum := []byte(v.id[len(v.id)-6:])
		v.mac = fmt.Sprintf("02:00:17:%02x:%02x:%02x", sum[0], sum[1], sum[2]^byte(k))
		all = append(all, v)
	}
	return all
}

// vnicsOf is the most VNICs that the instance may have.
func vnicsOf(i *instance) int {
	sh, _ := findShape(i.Shape) // an instance has no unknown shape
	return sh.vnics(i.OCPUs)
}
