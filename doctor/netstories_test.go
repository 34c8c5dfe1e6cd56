package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// hostStories are the stories of all checks on files of the host.
var hostStories = slices.Concat(systemStories, netStories)

// netStories are of how packets leave the host.
var netStories = []hostStory{
	{"mtu", "a pod's is larger", []string{uplinked, "sys/class/net/ens3/mtu\n1500", "sys/class/net/vethab12/mtu\n9000"}, nil, Warn, "PodMTUTooLarge"},
	{"mtu", "an overlay without room for its head", []string{uplinked, "sys/class/net/ens3/mtu\n9000", "sys/class/net/flannel.1/mtu\n9000"}, nil, Warn, "PodMTUTooLarge"},
	{"mtu", "an overlay as it should be", []string{uplinked, "sys/class/net/ens3/mtu\n9000", "sys/class/net/flannel.1/mtu\n8950", "sys/class/net/docker0/mtu\n65536"}, nil, Pass, ""},
	{"mtu", "lowered on OCI", []string{uplinked, "sys/class/net/ens3/mtu\n1500", "sys/class/dmi/id/chassis_asset_tag\nOracleCloud.com"}, nil, Info, "MTUSmall"},
	{"mtu", "lowered elsewhere", []string{uplinked, "sys/class/net/ens3/mtu\n1500"}, nil, Pass, ""},
	{"mtu", "no way out", []string{routes + "ens3 0000000A 00000000 0001 0 0 100 0000FFFF 0 0 0\n"}, nil, Skip, ReasonNotApplicable},
	{"mtu", "no /sys", []string{uplinked}, nil, Unknown, ReasonNotFound},
	{"mtu", "absurd", []string{uplinked, "sys/class/net/ens3/mtu\n0"}, nil, Unknown, ReasonUnreadable},
	{"ports", "one server takes them all", []string{portRange, sockets(10, "0101A8C0:1F90")}, nil, Fail, "PortsNearLimit"},
	{"ports", "nearly", []string{portRange, sockets(7, "0101A8C0:1F90")}, nil, Warn, "PortsNearLimit"},
	{"ports", "over IPv6", []string{portRange, sockets(0, ""), "proc/1/net/tcp6\n" + strings.SplitN(sockets(9, "B80D01200000000067452301EFCDAB89:1F90"), "\n", 2)[1]}, nil, Fail, "PortsNearLimit"},
	{"ports", "as many to two servers", []string{portRange, sockets(5, "0101A8C0:1F90") + strings.SplitN(sockets(5, "0201A8C0:1F90"), "\n", 3)[2]}, nil, Pass, ""},
	{"ports", "of a server, not of a client", []string{portRange, strings.ReplaceAll(sockets(10, "0101A8C0:1F90"), ":80", ":10")}, nil, Pass, ""},
	{"ports", "listening", []string{portRange, strings.ReplaceAll(sockets(10, "00000000:0000"), " 01 ", " 0A ")}, nil, Pass, ""},
	{"ports", "no table", []string{portRange}, nil, Unknown, ReasonNotFound},
	{"packet-filter", "both sets", []string{"proc/1/net/ip_tables_names\nnat\nfilter", "proc/modules\nnf_tables 311296 900 nft_compat, Live 0x0\nnft_compat 20480 417 - Live 0x0"}, nil, Info, "PacketFiltersMixed"},
	{"packet-filter", "the old one", []string{"proc/1/net/ip_tables_names\nnat\nfilter", "proc/modules\nip_tables 36864 2 iptable_nat,iptable_filter, Live 0x0\nnft_compat 20480 0 - Live 0x0"}, nil, Pass, ""},
	{"packet-filter", "the new one", []string{"proc/1/net/dev\n", "proc/modules\nnft_compat 20480 417 - Live 0x0"}, nil, Pass, ""},
	{"packet-filter", "users that are no number", []string{"proc/1/net/ip_tables_names\nnat", "proc/modules\nnft_compat 20480 many - Live 0x0"}, nil, Unknown, ReasonUnreadable},
	{"packet-filter", "no network to see", nil, nil, Unknown, ReasonNotFound},
	{"ports", "no range of ports", []string{"proc/sys/net/ipv4/ip_local_port_range\n70000 1", sockets(1, "0101A8C0:1F90")}, nil, Unknown, ReasonUnreadable},
}

const (
	uplinked  = routes + "ens4 00000000 0100000A 0003 0 0 200 00000000 0 0 0\nens3 00000000 0100000A 0003 0 0 100 00000000 0 0 0\n"
	portRange = "proc/sys/net/ipv4/ip_local_port_range\n32768\t32777"
)

// sockets is a table of so many connections to one destination, from port 32768
// (8000 in hex) on.
func sockets(n int, to string) string {
	var b strings.Builder
	b.WriteString("proc/1/net/tcp\n  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i := range n {
		fmt.Fprintf(&b, "%4d: 0A01A8C0:%04X %s 01 00000000:00000000 00:00000000 00000000 0 0 0 1\n", i, 0x8000+i, to)
	}
	return b.String()
}
