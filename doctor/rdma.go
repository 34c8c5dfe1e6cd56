package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// rdmaPorts are the directories of the ports of the cluster network.
func (h *Host) rdmaPorts() ([]string, error) {
	devices, err := h.names("sys/class/infiniband")
	if h.lacks(err, "sys/class") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range devices {
		ports, err := h.names(path.Join("sys/class/infiniband", d, "ports"))
		if err != nil {
			return nil, err
		}
		for _, port := range ports {
			out = append(out, path.Join("sys/class/infiniband", d, "ports", port))
		}
	}
	return out, nil
}

// portName is "mlx5_0/1".
func portName(dir string) string {
	return path.Base(path.Dir(path.Dir(dir))) + "/" + path.Base(dir)
}

var rdmaLink = Check{
	ID:       "rdma-link",
	Title:    "the ports of the cluster network are active",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the port's state is ACTIVE, or its link is disabled on purpose"},
	Remedy:   "one port that is down slows every job of the whole cluster network: tell Oracle with the instance's OCID; check 802.1x authentication (wpa_supplicant) first",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		ports, err := p.Host.rdmaPorts()
		if err != nil {
			return unreadable("sys/class/infiniband", err)
		}
		if len(ports) == 0 {
			return skip(ReasonNotApplicable, "the host has no RDMA")
		}
		var down []string
		active := 0
		for _, port := range ports {
			state, err := p.Host.line(path.Join(port, "state"))
			if err != nil {
				return unreadable(path.Join(port, "state"), err)
			}
			link, err := p.Host.line(path.Join(port, "phys_state"))
			if err != nil {
				return unreadable(path.Join(port, "phys_state"), err)
			}
			switch {
			case strings.HasSuffix(state, "ACTIVE"):
				active++
			case !strings.HasSuffix(link, "Disabled"):
				down = append(down, fmt.Sprintf("%s is %s, link %s", portName(port), word(state), word(link)))
			}
		}
		if len(down) > 0 {
			return Finding{State: Fail, Reason: "RDMALinkDown", Observed: fmt.Sprintf("%d active", active), Message: some(down)}
		}
		return pass(fmt.Sprintf("%d active", active))
	},
}

// word takes the name out of "4: ACTIVE".
func word(text string) string {
	_, name, ok := strings.Cut(text, ": ")
	if !ok {
		return text
	}
	return name
}

var rdmaCounter = counter{id: "rdma-flaps", reason: "RDMALinkFlapping", what: "losses of an RDMA link",
	limits: Limits{Warn: 1, Fail: 3, Source: "since the last run; each loss ends the jobs that use the port"}}

var rdmaFlaps = Check{
	ID:       rdmaCounter.id,
	Title:    "the links of the cluster network are steady",
	Unit:     "losses",
	Limits:   rdmaCounter.limits,
	Evidence: EvidenceCounter,
	Remedy:   "cordon the node for jobs of many nodes and tell Oracle: it is the cable, the transceiver or the switch",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		ports, err := p.Host.rdmaPorts()
		if err != nil {
			return unreadable("sys/class/infiniband", err)
		}
		counts := map[string]uint64{}
		for _, port := range ports {
			v, err := p.Host.number(path.Join(port, "counters/link_downed"))
			if errors.Is(err, fs.ErrNotExist) {
				continue // a virtual function has no counters of its own
			}
			if err != nil {
				return unreadable(path.Join(port, "counters/link_downed"), err)
			}
			counts[portName(port)] = v
		}
		if len(counts) == 0 {
			return skip(ReasonNotApplicable, "no RDMA port counts the losses of its link")
		}
		return rdmaCounter.judge(p.Host, counts)
	},
}
