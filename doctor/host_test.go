package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// The archives of testdata/host are hosts: files below their root, and three
// answers of the kernel, "statfs.json" by path, "clock.json" and
// "kmsg". "checks" names
// those that are asked, and "expected" is what they find.
func TestHostFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/host/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h, want := openFixture(t, archive)
			var got strings.Builder
			for _, f := range examineHostWith(t.Context(), h, Policy{}.withDefaults(), checksOf(t, archive)).Nodes[0].Findings {
				got.WriteString(strings.TrimRight(fmt.Sprintf("%s %s %s | %s | %s", f.State, f.Check, f.Reason, f.Observed, strings.ReplaceAll(f.Message, h.Root, "ROOT")), " |") + "\n")
			}
			if *update {
				want.Data = []byte(got.String())
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want.Data)
			}
		})
	}
}

// checksOf are the checks that the archive's file "checks" names, or all.
func checksOf(t *testing.T, archive *txtar.Archive) []Check {
	t.Helper()
	for _, f := range archive.Files {
		if f.Name == "checks" {
			return named(t, strings.Fields(string(f.Data))...)
		}
	}
	return HostChecks()
}

func named(t testing.TB, ids ...string) []Check {
	t.Helper()
	var out []Check
	for _, id := range ids {
		n := len(out)
		for _, c := range HostChecks() {
			if c.ID == id {
				out = append(out, c)
			}
		}
		if len(out) == n {
			t.Fatalf("there is no check %s", id)
		}
	}
	return out
}

// openFixture writes the archive out and opens it as a host.
func openFixture(t *testing.T, archive *txtar.Archive) (*Host, *txtar.File) {
	t.Helper()
	root := t.TempDir()
	var usage map[string]Usage
	var clock *ClockState
	var kmsg []byte
	var want *txtar.File
	for i, f := range archive.Files {
		switch f.Name {
		case "statfs.json":
			decode(t, f.Data, &usage)
		case "clock.json":
			decode(t, f.Data, &clock)
		case "checks":
		case "kmsg":
			kmsg = f.Data
		case "expected":
			want = &archive.Files[i]
		default:
			write(t, filepath.Join(root, f.Name), f.Data)
		}
	}
	h, err := OpenHost(root)
	if err != nil {
		t.Fatal(err)
	}
	h.Statfs = func(path string) (Usage, error) {
		if u, ok := usage[path]; ok {
			return u, nil
		}
		return Usage{}, &fs.PathError{Op: "statfs", Path: path, Err: fs.ErrNotExist}
	}
	h.Clock = func() (ClockState, error) {
		if clock == nil {
			return ClockState{}, &fs.PathError{Op: "adjtimex", Path: "clock", Err: fs.ErrPermission}
		}
		return *clock, nil
	}
	h.Kmsg = func() ([]byte, error) {
		if kmsg == nil {
			return nil, &fs.PathError{Op: "syslog", Path: "kmsg", Err: fs.ErrPermission}
		}
		return kmsg, nil
	}
	return h, want
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	// A time that the expected text can name.
	at := time.Date(2026, 3, 1, 11, 30, 0, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// Whatever stands in the files, a check answers, and never that all is well when
// it read nothing.
func FuzzHostFiles(f *testing.F) {
	f.Add("0.5 0.4 0.3 2/194 4242\n", "1024\n", "864\t0\t9223372036854775807\n", "22 1 0:21 / / rw - ext4 /dev/sda rw\n", "entries\n00000010\n")
	f.Add("", "", "", "", "")
	f.Add("0 0 0 x/y 1", "-1", "1 2", "- - -", "entries searched\nzz 00\n")
	f.Fuzz(func(t *testing.T, loadavg, limit, fileNr, mounts, stat string) {
		root := t.TempDir()
		for path, text := range map[string]string{"loadavg": loadavg, "sys/kernel/pid_max": limit, "sys/kernel/threads-max": limit, "sys/fs/file-nr": fileNr,
			"1/mountinfo": mounts, "1/net/stat/nf_conntrack": stat, "sys/net/netfilter/nf_conntrack_max": limit} {
			write(t, filepath.Join(root, "proc", path), []byte(text))
		}
		h, err := OpenHost(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []Check{threads, fileHandles, conntrack, rootReadOnly} {
			r := &Runner{Checks: []Check{c}, Timeout: 5 * time.Second, OneShot: true}
			got := r.Examine(t.Context(), []Patient{{Now: time.Now(), Host: h}})[0][0]
			if got.Reason == ReasonPanicked {
				t.Errorf("%s panicked: %s", c.ID, got.Message)
			}
			if got.State == Pass && loadavg+limit+fileNr+mounts+stat == "" {
				t.Errorf("%s passed on empty files", c.ID)
			}
		}
	})
}

// A pipe in the place of a file blocks its reader for ever; the examination ends
// by its own deadline and says what hung.
func TestHostThatHangs(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/host/healthy.txtar")
	if err != nil {
		t.Fatal(err)
	}
	h, _ := openFixture(t, archive)
	pipe := filepath.Join(h.Root, "proc/loadavg")
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the reader go
		if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			w.Close()
		}
	})
	// Those that hang are given up once all others have answered, however long that
	// takes on a busy machine.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var answered atomic.Int32
	checks, last := HostChecks(), int32(-2)
	for _, c := range checks {
		if c.Applies == nil {
			last++
		} else if applies, _ := c.Applies(Patient{Now: time.Now(), Host: h}); applies {
			last++
		}
	}
	for i, c := range checks {
		run := c.Run
		checks[i].Run = func(ctx context.Context, p Patient) Finding {
			f := run(ctx, p)
			if answered.Add(1) == last {
				cancel()
			}
			return f
		}
		checks[i].Patience = time.Minute
	}
	for _, f := range examineHostWith(ctx, h, Policy{CheckTimeout: time.Minute}.withDefaults(), checks).Nodes[0].Findings {
		hung := f.Reason == ReasonTimedOut
		if hung != (f.Check == threads.ID || f.Check == load.ID) {
			t.Errorf("%s: %s %s", f.Check, f.State, f.Reason)
		}
	}
}

// The readers against the kernel this test runs on.
func TestHostIsThisMachine(t *testing.T) {
	r, err := ExamineHost(context.Background(), HostOptions{State: filepath.Join(t.TempDir(), "tally")})
	if err != nil {
		t.Fatal(err)
	}
	if r.Err != "" {
		t.Fatal(r.Err)
	}
	for _, f := range r.Nodes[0].Findings {
		if f.Reason == ReasonPanicked || f.Reason == ReasonTimedOut || f.Reason == ReasonUnreadable {
			t.Errorf("%+v", f)
		}
	}
	h, err := OpenHost("/")
	if err != nil {
		t.Fatal(err)
	}
	all, err := countThreads(h)
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(status, []byte("Threads:"))
	own, err := strconv.Atoi(strings.Fields(string(after))[0])
	if err != nil {
		t.Fatal(err)
	}
	if all < own {
		t.Errorf("the machine has %d threads, this process alone %d", all, own)
	}
	u, err := h.Statfs(".")
	if err != nil || u.Bytes == 0 || u.Free > u.Bytes {
		t.Errorf("statfs of the root: %+v, %v", u, err)
	}
}

func TestHostThatIsNone(t *testing.T) {
	r, _ := ExamineHost(t.Context(), HostOptions{Root: t.TempDir()})
	if r.Err == "" || !strings.Contains(r.Err, "hint: ") || r.ExitCode(Fail) != ExitCannotLook {
		t.Errorf("an empty directory was taken for a host: %+v", r)
	}
}
