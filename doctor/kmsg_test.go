package doctor

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

func TestKernelLines(t *testing.T) {
	for line, want := range map[string]KernelLine{
		"<6>[    1.500000] usb 1-1: new device":             {1500 * time.Millisecond, true, "usb 1-1: new device"},
		"<4>[12345.500000][ T4711] nvme nvme0: timeout":     {12345500 * time.Millisecond, true, "nvme nvme0: timeout"},
		"<4>[  100.000000][   C12] rcu: INFO: stall":        {100 * time.Second, true, "rcu: INFO: stall"},
		"<4>[  100.000000] [drm] not a caller":              {100 * time.Second, true, "[drm] not a caller"},
		"<3>no stamps on this kernel":                       {0, false, "no stamps on this kernel"},
		"<12>[    1.500000] systemd[1]: written by systemd": {},
		"[    1.500000] no priority":                        {},
		"<6>[    nan] not a time":                           {0, false, "[    nan] not a time"},
		"<6>[    1e99] the far future":                      {0, false, "[    1e99] the far future"},
		"":                                                  {},
	} {
		got, ok := parseKernelLine(line)
		if ok != (want != KernelLine{}) || got != want && ok {
			t.Errorf("%q: %+v %t, want %+v", line, got, ok, want)
		}
	}
}

// Whatever stands in the log, the checks answer, and a log without a line of the
// kernel's is no sign of health.
func FuzzKernelLog(f *testing.F) {
	for _, name := range []string{"kernel", "kernel-quiet"} {
		data, err := os.ReadFile("testdata/host/" + name + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("<6>[ 1.0] NVRM: Xid (PCI:0): 99999999999999999999999\n<6>[86000.0] nfs: server  OK\n<0>[")
	f.Fuzz(func(t *testing.T, log string) {
		h := hostStory{files: []string{"proc/uptime\n86400.00 1"}}.host(t, whole)
		h.Kmsg = func() ([]byte, error) { return []byte(log), nil }
		r := &Runner{Checks: named(t, "kernel-disk", "kernel-lockups", "kernel-hung", "kernel-oom", "kernel-xid", "kernel-hardware", "kernel-network", "kernel-nfs", "kernel-forks"),
			Timeout: 10 * time.Second, OneShot: true}
		for _, got := range r.Examine(t.Context(), []Patient{{Now: time.Now(), Host: h}})[0] {
			if got.Reason == ReasonPanicked || got.State == Pass && !strings.Contains(log, "<") {
				t.Errorf("%s %s %s %q", got.Check, got.State, got.Reason, got.Message)
			}
			if strings.ContainsAny(got.Message, "\x1b\n\r") {
				t.Errorf("%s lets control characters through: %q", got.Check, got.Message)
			}
		}
	})
}

// The reader against the kernel that this test runs on.
func TestKernelLogIsThisMachines(t *testing.T) {
	data, err := kernelLog()
	if errors.Is(err, fs.ErrPermission) {
		t.Skipf("this process may not read the kernel's log: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(data) == 0 {
		t.Skip("the kernel's log is empty: this machine keeps none for guests")
	}
	lines := parseKernelLog(data)
	if len(lines) == 0 {
		t.Fatalf("no line of the kernel's in %d bytes: %.200q", len(data), data)
	}
	h, err := OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	up, err := h.uptime()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Dated && l.At > up+time.Minute {
			t.Errorf("line %q is %s old on a host that is up for %s", l.Text, l.At, up)
		}
	}
}
