package doctor

import (
	"io/fs"
	"testing"
	"time"
)

// refused is a file system whose owner lets nobody look.
type refused struct{}

func (refused) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// A check that may not read knows nothing: it neither passes nor says that it
// does not apply.
func TestWithoutPrivilegeNothingIsKnown(t *testing.T) {
	h := hostStory{}.host(t, whole)
	h.FS = refused{}
	h.Statfs = func(path string) (Usage, error) { _, err := refused{}.Open(path); return Usage{}, err }
	h.Clock = func() (ClockState, error) { _, err := refused{}.Open("clock"); return ClockState{}, err }
	h.Kmsg = func() ([]byte, error) { _, err := refused{}.Open("kmsg"); return nil, err }
	// These ask the kernel's files directly, where an empty /proc says that there
	// is no such thing.
	direct := map[string]bool{stallCPU.ID: true, stallMemory.ID: true, stallIO.ID: true, raid.ID: true, conntrackDrops.ID: true, conntrack.ID: true}
	r := examineHost(t.Context(), h, Policy{CheckTimeout: 5 * time.Second}.withDefaults())
	for _, f := range r.Nodes[0].Findings {
		if f.State != Unknown && !direct[f.Check] {
			t.Errorf("%s: %s %s %q without a right to read anything", f.Check, f.State, f.Reason, f.Message)
		}
	}
	if code := r.ExitCode(Fail); code != ExitCannotLook {
		t.Errorf("exit %d", code)
	}
}
