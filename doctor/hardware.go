package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
)

var memoryErrorCounter = counter{id: "memory-errors", reason: "MemoryErrors", what: "memory errors that could not be corrected",
	limits: Limits{Warn: 1, Fail: 1, Source: "EDAC ue_count since the last run; each one ends a process or the host"}}

var memoryErrors = edacCheck(memoryErrorCounter, "the memory's errors can be corrected", "ue_count",
	"a module of memory is failing: cordon and replace the node, and tell Oracle with the instance's OCID")

var memoryCorrectedCounter = counter{id: "memory-corrected", reason: "MemoryCorrected", what: "corrected memory errors",
	limits: Limits{Warn: 100, Source: "EDAC ce_count since the last run; a few are cosmic rays, hundreds are a module on its way out"}}

var memoryCorrected = edacCheck(memoryCorrectedCounter, "the memory needs little correction", "ce_count",
	"plan to replace the node when it goes on; errors that can be corrected cost time, and herald those that cannot")

// edacCheck is a check on one counter of the memory controllers, which only bare
// metal shows.
func edacCheck(c counter, title, file, remedy string) Check {
	return hardwareCounter(c, title, "errors", remedy, "sys/devices/system/edac/mc", "mc", file, "no memory controller reports errors here")
}

var throttleCounter = counter{id: "cpu-throttled", reason: "CPUThrottled", what: "times that a CPU was slowed for heat",
	limits: Limits{Warn: 100, Source: "package_throttle_count since the last run"}}

var cpuThrottled = hardwareCounter(throttleCounter, "the CPUs are not too hot", "times",
	"the host's cooling is at its end: replace the node, and tell Oracle with the instance's OCID",
	"sys/devices/system/cpu", "cpu", "thermal_throttle/package_throttle_count", "the CPUs report no throttling here")

// hardwareCounter is a check on a counter that each of several devices has in
// a directory of its own, whose name begins with prefix.
func hardwareCounter(c counter, title, unit, remedy, dir, prefix, file, none string) Check {
	return Check{
		ID: c.id, Title: title, Unit: unit, Limits: c.limits, Evidence: EvidenceCounter, Remedy: remedy, Action: ActionNone,
		Run: func(ctx context.Context, p Patient) Finding {
			devices, err := p.Host.names(dir)
			if err != nil && !p.Host.lacks(err, "sys/class") {
				return unreadable(dir, err)
			}
			counts := map[string]uint64{}
			for _, d := range devices {
				if ctx.Err() != nil {
					return unknown(ReasonTimedOut, "the devices could not all be asked in time")
				}
				if !strings.HasPrefix(d, prefix) {
					continue
				}
				v, err := p.Host.number(path.Join(dir, d, file))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return unreadable(path.Join(dir, d, file), err)
				}
				counts[d] = v
			}
			if len(counts) == 0 {
				return skip(ReasonNotApplicable, none)
			}
			return c.judge(p.Host, counts)
		},
	}
}

var nvme = Check{
	ID:       "nvme",
	Title:    "local NVMe disks answer",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "the state of each controller is live; one that is resetting or connecting warns, any other fails"},
	Remedy:   "a controller that the kernel gave up does not come back: replace the node, its local data is lost",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		const dir = "sys/class/nvme"
		disks, err := p.Host.names(dir)
		switch {
		case p.Host.lacks(err, "sys/class"), err == nil && len(disks) == 0:
			return skip(ReasonNotApplicable, "the host has no NVMe disk")
		case err != nil:
			return unreadable(dir, err)
		}
		f := pass(quantity(float64(len(disks)), "disks"))
		var bad []string
		for _, d := range disks {
			state, err := p.Host.line(path.Join(dir, d, "state"))
			if err != nil || state == "" {
				return unreadable(path.Join(dir, d, "state"), orGarbage(err))
			}
			switch state {
			case "live":
				continue
			case "new", "resetting", "connecting":
				f.State = max(f.State, Warn)
			default:
				f.State = Fail
			}
			bad = append(bad, d+" is "+state)
		}
		if len(bad) > 0 {
			f.Reason, f.Message = "DiskNotLive", some(bad)
		}
		return f
	},
}
