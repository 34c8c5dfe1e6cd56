package doctor

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The kernel's own log is read by syslog(2), which asks for CAP_SYSLOG and for
// nothing else: /dev/kmsg would ask for a privileged pod, since the device
// control group of a container forbids it. Each line comes with the facility of
// whoever wrote it, and the kernel lets no process write as the kernel
// (facility 0): a line that somebody forged with a write to /dev/kmsg is told
// apart here, which no reader of a journal can.

// KernelLine is one line that the kernel itself wrote.
type KernelLine struct {
	// Since boot; Dated is false where the kernel was told not to stamp lines.
	At    time.Duration
	Dated bool
	Text  string
}

// maxKernelLines and maxKernelLine bound what a flood can cost: 4,500 OOM kills
// a minute have kept other monitors busy for nothing.
const (
	maxKernelLines = 20000
	maxKernelLine  = 512
)

// parseKernelLog reads the ring buffer as syslog(2) gives it, newest last. Lines
// of others and what makes no sense are left out; of a flood the newest stay.
func parseKernelLog(data []byte) []KernelLine {
	lines := bytes.Split(data, []byte{'\n'})
	if len(lines) > maxKernelLines {
		lines = lines[len(lines)-maxKernelLines:]
	}
	out := make([]KernelLine, 0, len(lines))
	for _, l := range lines {
		if k, ok := parseKernelLine(string(l[:min(len(l), maxKernelLine)])); ok {
			out = append(out, k)
		}
	}
	return out
}

// parseKernelLine reads "<6>[   12.345678] text", where "<6>" is eight times the
// facility and the level. With CONFIG_PRINTK_CALLER "[    T1]"
// follows the time.
func parseKernelLine(line string) (KernelLine, bool) {
	rest, ok := strings.CutPrefix(line, "<")
	if !ok {
		return KernelLine{}, false
	}
	priority, rest, ok := strings.Cut(rest, ">")
	if n, err := strconv.ParseUint(priority, 10, 16); !ok || err != nil || n >= 8 || rest == "" {
		return KernelLine{}, false // not the kernel's, or nothing
	}
	stamp, text, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(stamp), 64)
	if !ok || rest[0] != '[' || err != nil || !(seconds >= 0 && seconds < 1e9) {
		return KernelLine{Text: rest}, true
	}
	if caller, after, ok := strings.Cut(text, "]"); ok && strings.HasPrefix(caller, "[") && isCaller(caller[1:]) {
		text = after
	}
	text = strings.TrimPrefix(text, " ")
	return KernelLine{At: time.Duration(seconds * float64(time.Second)), Dated: true, Text: text}, text != ""
}

// isCaller is whether a text is a task or CPU, as in "    T4711" and "   C12".
func isCaller(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != 'T' && text[0] != 'C' {
		return false
	}
	_, err := strconv.ParseUint(text[1:], 10, 32)
	return err == nil
}

// recent are the kernel's lines of the last logFresh. What has no time counts
// only while the host has not been up for longer than that.
func (h *Host) recent() ([]KernelLine, error) {
	h.kernel.once.Do(func() { h.kernel.lines, h.kernel.err = h.readKernelLog() })
	return h.kernel.lines, h.kernel.err
}

func (h *Host) readKernelLog() ([]KernelLine, error) {
	data, err := h.Kmsg()
	if err != nil {
		return nil, err
	}
	up, err := h.uptime()
	if err != nil {
		return nil, err
	}
	all := parseKernelLog(data)
	if len(all) == 0 {
		return nil, fmt.Errorf("read the kernel's log: no line of the kernel's among %d bytes", len(data))
	}
	var out []KernelLine
	for _, l := range all {
		if l.Dated && up-l.At <= logFresh || !l.Dated && up <= logFresh {
			out = append(out, l)
		}
	}
	return out, nil
}
