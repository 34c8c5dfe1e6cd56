package doctor

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tierRoot names the host that a child of TestTiersOfPrivilege looks at.
const tierRoot = "TIDEMILL_TEST_TIER_ROOT"

// tierChecks need nothing, the right to read others' files, and the right to read
// the kernel's log.
var tierChecks = []string{threads.ID, kubeletCertificates.ID, "kernel-disk"}

// TestTierChild is what runs with the rights of a tier, in a process of its own.
func TestTierChild(t *testing.T) {
	root := os.Getenv(tierRoot)
	if root == "" {
		root = t.TempDir() // by itself it is about a host without files
		write(t, filepath.Join(root, "proc/1/stat"), nil)
	}
	h, err := OpenHost(root)
	if err != nil {
		t.Fatal(err)
	}
	found := examineHostWith(t.Context(), h, Policy{CheckTimeout: 10 * time.Second}.withDefaults(), named(t, tierChecks...)).Nodes[0].Findings
	if len(found) != len(tierChecks) {
		t.Fatalf("%d findings", len(found))
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		t.Fatal(err)
	}
}

// Each privilege sees what it is for and no more, by the kernel's own judgement:
// a process without root and with exactly these capabilities. What it may not see
// is Unknown, never fine.
func TestTiersOfPrivilege(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"proc/1/stat": "", "proc/loadavg": "0.5 0.4 0.3 2/194 4242\n", "proc/uptime": "90000 1\n",
		"proc/sys/kernel/pid_max": "32768\n", "proc/sys/kernel/threads-max": "30000\n", "var/lib/kubelet/pki/kubelet-client-current.pem": pemOf(-10, 90)} {
		write(t, filepath.Join(root, path), []byte(text))
	}
	for path, mode := range map[string]os.FileMode{"var/lib/kubelet/pki/kubelet-client-current.pem": 0o600, "var/lib/kubelet/pki": 0o700} {
		if err := os.Chmod(filepath.Join(root, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	restricted, err := os.ReadFile("/proc/sys/kernel/dmesg_restrict")
	open := err == nil && strings.TrimSpace(string(restricted)) == "0"
	for _, tier := range []struct {
		name      string
		caps      []uintptr
		cert, log bool // what is seen
	}{
		{"read", nil, false, open},
		{"syslog alone", []uintptr{unix.CAP_SYSLOG}, false, true},
		{"others' files alone", []uintptr{unix.CAP_DAC_READ_SEARCH}, true, open},
		{"log", []uintptr{unix.CAP_SYSLOG, unix.CAP_DAC_READ_SEARCH}, true, true},
	} {
		t.Run(tier.name, func(t *testing.T) {
			if os.Geteuid() != 0 && len(tier.caps) > 0 {
				t.Skip("nobody can give what he has not got: as root all tiers run")
			}
			f := childFindings(t, root, tier.caps)
			if f[0].State != Pass {
				t.Errorf("what anybody may read: %+v", f[0])
			}
			for i, seen := range map[int]bool{1: tier.cert || os.Geteuid() != 0, 2: tier.log} {
				refused := f[i].State == Unknown && f[i].Reason == ReasonNotPermitted
				if seen == refused || !seen && f[i].State != Unknown {
					t.Errorf("%s: %s %s %q, want it seen: %v", f[i].Check, f[i].State, f[i].Reason, f[i].Message, seen)
				}
			}
		})
	}
}

// childFindings runs TestTierChild as the pod's user with these capabilities.
func childFindings(t *testing.T, root string, caps []uintptr) []Finding {
	t.Helper()
	// By this name the kernel needs no right on the directory of the binary.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestTierChild$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), tierRoot+"="+root)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}, AmbientCaps: caps}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var found []Finding
	if err := json.Unmarshal(out[:strings.LastIndexByte(string(out), ']')+1], &found); err != nil || len(found) != len(tierChecks) {
		t.Fatalf("%v in %.300q", err, out)
	}
	return found
}
