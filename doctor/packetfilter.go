package doctor

import (
	"context"
	"strconv"
	"strings"
)

// The kernel keeps two sets of firewall rules, and a packet passes both. The
// files tell which are in use: the names of the old set's tables, and how many
// matches and targets of iptables' own hang in the new one, which is the count
// of users of the module nft_compat. It counts those of all network namespaces,
// and an old table may be empty: so it is told, and no alarm.
var packetFilter = Check{
	ID:       "packet-filter",
	Title:    "one set of firewall rules is in use",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "net/ip_tables_names of the host's first process, and the users of nft_compat in /proc/modules"},
	Remedy:   "find who uses the other one (iptables-legacy-save, nft list ruleset): what one set allows the other may drop, and neither tool shows it",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		const names = "proc/1/net/ip_tables_names"
		text, err := p.Host.line(names)
		if err != nil && !p.Host.lacks(err, "proc/1/net") {
			return unreadable(names, err)
		}
		old := strings.Fields(text)
		users, err := moduleUsers(p.Host, "nft_compat")
		if err != nil {
			return unreadable("proc/modules", err)
		}
		f := Finding{State: Pass, Observed: quantity(float64(len(old)), "legacy tables") + ", " + quantity(float64(users), "users of nft_compat")}
		if len(old) > 0 && users > 0 {
			f.State, f.Reason = Info, "PacketFiltersMixed"
			f.Message = "rules go to both sets: iptables-legacy has tables " + some(old) + ", and iptables-nft has rules too"
		}
		return f
	},
}

// moduleUsers is the third column of /proc/modules; a module that is not loaded
// has none.
func moduleUsers(h *Host, module string) (int, error) {
	data, err := h.read("proc/modules")
	if h.lacks(err, "proc/1") {
		return 0, nil // a kernel without modules
	}
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == module {
			n, err := strconv.Atoi(f[2])
			if err != nil || n < 0 {
				return 0, orGarbage(nil)
			}
			return n, nil
		}
	}
	return 0, nil
}
