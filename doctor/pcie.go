package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path"
)

var pcieCounter = counter{id: "pcie-errors", reason: "PCIeErrors", what: "uncorrected errors of PCIe devices",
	limits: Limits{Warn: 1, Fail: 10, Source: "AER non-fatal and fatal, since the last run"}}

var pcieErrors = aerCheck(pcieCounter, "PCIe devices answer without errors", map[string]string{
	"aer_dev_nonfatal": "TOTAL_ERR_NONFATAL", "aer_dev_fatal": "TOTAL_ERR_FATAL"},
	"lspci -s DEVICE names it; a GPU, NIC or NVMe that loses transactions is to be replaced with its host")

// Corrected errors are what the correction is for: a condition that was set by
// the first one never cleared, and alarmed on every GPU host.
var pcieCorrectedCounter = counter{id: "pcie-corrected", reason: "PCIeCorrected", what: "corrected errors of PCIe devices",
	limits: Limits{Warn: 1000, Source: "AER corrected, since the last run; a marginal link makes thousands, a sound one a few"}}

var pcieCorrected = aerCheck(pcieCorrectedCounter, "PCIe links need little correction", map[string]string{
	"aer_dev_correctable": "TOTAL_ERR_COR"},
	"the link of the device is marginal and slow; tell Oracle with the instance's OCID when it goes on")

// aerCheck is a check on counters of advanced error reporting: files by the line
// that has their sum.
func aerCheck(c counter, title string, files map[string]string, remedy string) Check {
	return Check{
		ID: c.id, Title: title, Unit: "errors", Limits: c.limits, Evidence: EvidenceCounter, Remedy: remedy, Action: ActionNone,
		Run: func(ctx context.Context, p Patient) Finding {
			const dir = "sys/bus/pci/devices"
			devices, err := p.Host.names(dir)
			if err != nil && !p.Host.lacks(err, "sys/class") {
				return unreadable(dir, err)
			}
			counts := map[string]uint64{}
			for _, d := range devices {
				if ctx.Err() != nil {
					return unknown(ReasonTimedOut, "the devices could not all be asked in time")
				}
				for file, sum := range files {
					lines, err := p.Host.fields(path.Join(dir, d, file))
					if errors.Is(err, fs.ErrNotExist) {
						continue // most devices of a virtual machine report nothing
					}
					v, ok := lines[sum]
					if err != nil || !ok {
						return unreadable(path.Join(dir, d, file), orGarbage(err))
					}
					counts[d] += v
				}
			}
			if len(counts) == 0 {
				return skip(ReasonNotApplicable, "no device reports errors of its link")
			}
			return c.judge(p.Host, counts)
		},
	}
}
