package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

var gpus = Check{
	ID:       "gpus",
	Title:    "every GPU of the host has its driver",
	Unit:     "GPUs",
	Evidence: EvidenceLevel,
	Limits:   Limits{Source: "NVIDIA's devices on the PCI bus, against /proc/driver/nvidia/gpus"},
	Remedy:   "dmesg | grep -i nvrm says why (Xid 79: it fell off the bus); reboot the node once, then report the host",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		onBus, err := p.Host.nvidiaOnBus()
		if err != nil {
			return unreadable("sys/bus/pci/devices", err)
		}
		driven, err := p.Host.names("proc/driver/nvidia/gpus")
		noDriver := errors.Is(err, fs.ErrNotExist)
		if err != nil && !noDriver {
			return unreadable("proc/driver/nvidia/gpus", err)
		}
		f := pass(fmt.Sprintf("%d of %d", len(driven), onBus))
		switch {
		case onBus == 0 && len(driven) == 0:
			return skip(ReasonNotApplicable, "the host has no NVIDIA GPU")
		case noDriver:
			f.State, f.Reason = Warn, "NoDriver"
			f.Message = fmt.Sprintf("%d GPUs on the bus and no driver is loaded", onBus)
			f.Remedy = "use OKE's GPU image, or install the driver (the GPU operator does)"
		case len(driven) < onBus:
			f.State, f.Reason = Fail, "GPULost"
			f.Message = fmt.Sprintf("the driver has %d of %d GPUs", len(driven), onBus)
		case len(driven) > onBus:
			f.State, f.Reason = Fail, "GPULost"
			f.Message = fmt.Sprintf("the driver has %d GPUs and the bus only %d: one fell off", len(driven), onBus)
		}
		return f
	},
}

// nvidiaOnBus counts display and 3D controllers of the vendor; its cards carry
// sound and USB functions too.
func (h *Host) nvidiaOnBus() (int, error) {
	const dir = "sys/bus/pci/devices"
	devices, err := h.names(dir)
	if h.lacks(err, "sys/class") {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	for _, d := range devices {
		vendor, err := h.line(path.Join(dir, d, "vendor"))
		if err != nil || vendor != "0x10de" {
			continue
		}
		if class, err := h.line(path.Join(dir, d, "class")); err == nil && strings.HasPrefix(class, "0x03") {
			n++
		}
	}
	return n, nil
}
