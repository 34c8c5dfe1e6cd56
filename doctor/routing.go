package doctor

import (
	"context"
	"errors"
	"io/fs"
	"strings"
)

var ipForwarding = Check{
	ID:       "ip-forwarding",
	Title:    "packets of pods are forwarded",
	Evidence: EvidenceLevel,
	// /proc/sys/net is the reader's own network; this counter file of the first
	// process is the host's from anywhere.
	Limits: Limits{Source: "Forwarding in the host's net/snmp: 1 is on, 2 is off"},
	Remedy: "sysctl -w net.ipv4.ip_forward=1, and find what switched it off (a sysctl file that was applied again, a hardening script)",
	Action: ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		init, err := p.Host.Proc.Proc(1)
		if err != nil {
			return unreadable("proc/1", err)
		}
		snmp, err := init.Snmp()
		if err != nil || snmp.Ip.Forwarding == nil {
			return unreadable("proc/1/net/snmp", orGarbage(err))
		}
		if *snmp.Ip.Forwarding == 1 {
			return pass("on")
		}
		if !p.Host.exists("var/lib/kubelet") {
			return skip(ReasonNotApplicable, "off, and no kubelet has been here")
		}
		return Finding{State: Fail, Reason: "ForwardingOff", Observed: "off", Message: "the host does not forward IPv4 packets: pods reach nothing beyond it"}
	},
}

var defaultRoute = Check{
	ID:       "default-route",
	Title:    "there is a way out of the host",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "a default route in the main table, IPv4 or IPv6"},
	Remedy:   "look at the DHCP client and at NetworkManager's log; the VCN's router is the first address of the subnet",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		four, err4 := p.Host.hasDefaultRoute("proc/1/net/route", 1, "00000000", "lo")
		six, err6 := p.Host.hasDefaultRoute("proc/1/net/ipv6_route", 0, strings.Repeat("0", 32), "lo")
		switch {
		case four && six:
			return pass("IPv4, IPv6")
		case four:
			return pass("IPv4")
		case six:
			return pass("IPv6")
		case err4 != nil:
			return unreadable("proc/1/net/route", err4)
		case err6 != nil && !errors.Is(err6, fs.ErrNotExist):
			return unreadable("proc/1/net/ipv6_route", err6)
		}
		return Finding{State: Fail, Reason: "NoDefaultRoute", Message: "the host has no default route"}
	},
}

// hasDefaultRoute looks for a route whose destination, in the column of that
// number, and prefix or mask are zero, and that does not lead to a device that
// swallows packets.
func (h *Host) hasDefaultRoute(path string, column int, zero, not string) (bool, error) {
	data, err := h.read(path)
	if err != nil {
		return false, err
	}
	seen := false
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) < 10 {
			continue
		}
		seen = true
		device, mask := f[0], f[7]
		if column == 0 {
			device, mask = f[len(f)-1], f[1]
		}
		if f[column] == zero && strings.Trim(mask, "0") == "" && device != not {
			return true, nil
		}
	}
	if !seen {
		return false, orGarbage(nil)
	}
	return false, nil
}
