package doctor

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// vxlanHead is what an overlay adds to each packet.
const vxlanHead = 50

// mtu looks for packets that no longer fit once they leave the host. A pod's
// device that takes larger packets than the uplink works until the first full
// one: small requests pass, large answers hang, and nothing is logged.
var mtu = Check{
	ID:       "mtu",
	Title:    "what pods send fits into the uplink",
	Unit:     "bytes",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "MTU of pods' devices against that of the device of the default route; an overlay needs 50 bytes less. A VCN carries 9000"},
	Remedy:   "set the MTU of the CNI's configuration (flannel takes it from the uplink when it starts: restart its pod); ip link set DEV mtu 9000 on an uplink that was lowered",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		uplink, err := p.Host.uplink()
		if err != nil {
			return unreadable("proc/1/net/route", err)
		}
		if uplink == "" {
			return skip(ReasonNotApplicable, "there is no IPv4 default route: see default-route")
		}
		own, err := p.Host.mtuOf(uplink)
		if err != nil {
			return unreadable("sys/class/net/"+uplink+"/mtu", err)
		}
		names, err := p.Host.names("sys/class/net")
		if err != nil {
			return unreadable("sys/class/net", err)
		}
		var large []string
		for _, name := range names {
			room, carries := own-headOf(name), carriesPods(name)
			v, err := p.Host.mtuOf(name)
			if carries && err == nil && v > room { // one that has just gone with its pod is no finding
				large = append(large, fmt.Sprintf("%s takes %d", name, v))
			}
		}
		f := pass(fmt.Sprintf("%s %d", uplink, own))
		if len(large) > 0 {
			f.State, f.Reason, f.Message = Warn, "PodMTUTooLarge", fmt.Sprintf("%s, and the uplink %s only %d", some(large), uplink, own)
			return f
		}
		// Many an image comes with 1500, which costs throughput and breaks nothing.
		if here, err := p.Host.inCloud(); err == nil && here && own < 9000 {
			f.State, f.Reason, f.Message = Info, "MTUSmall", fmt.Sprintf("the uplink %s takes %d bytes, a VCN 9000", uplink, own)
		}
		return f
	},
}

// podDevices are the beginnings of names of devices that carry pods' packets.
var podDevices = []string{"veth", "cni", "flannel", "vxlan", "cali", "oci"}

func carriesPods(name string) bool {
	for _, begin := range podDevices {
		if strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// headOf is what a device adds to a packet before it leaves.
func headOf(name string) int {
	if strings.HasPrefix(name, "flannel.") || strings.HasPrefix(name, "vxlan") {
		return vxlanHead
	}
	return 0
}

func (h *Host) mtuOf(device string) (int, error) {
	v, err := h.number(path.Join("sys/class/net", device, "mtu"))
	if err == nil && (v == 0 || v > 1<<20) {
		err = fmt.Errorf("parse mtu: %d is none", v)
	}
	return int(min(v, 1<<20)), err
}

// uplink is the device of the IPv4 default route of the least metric; "" if there
// is no such route.
func (h *Host) uplink() (string, error) {
	data, err := h.read("proc/1/net/route")
	if err != nil {
		return "", err
	}
	best, device, seen := uint64(0), "", false
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		seen = true
		metric, err := strconv.ParseUint(f[6], 10, 32)
		if err != nil || f[1] != "00000000" || strings.Trim(f[7], "0") != "" || strings.ContainsAny(f[0], "/\x00") || f[0] == "." || f[0] == ".." {
			continue
		}
		if device == "" || metric < best {
			best, device = metric, f[0]
		}
	}
	if !seen {
		return "", orGarbage(nil)
	}
	return device, nil
}
