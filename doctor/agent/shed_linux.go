package agent

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// shed gives back what the last round needed and the wait does not: free heap, and
// the pages of the binary's own code and tables. The latter are
// copies of a file: the kernel drops them when asked and reads those again that
// are used again. Without it an agent keeps for ever what starting touched, most of it
// tables of API types that it never decodes.
func shed() error {
	debug.FreeOSMemory()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the binary: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("read mappings: %w", err)
	}
	for _, m := range untouched(string(maps), self) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give pages of the binary back: %w", errno)
		}
	}
	return nil
}

type mapping struct{ from, to uintptr }

// untouched are the mappings of the file, out of /proc/self/smaps, that can be
// dropped without loss: they cannot be written, and never were. The second has to
// be asked as well: what the loader relocates is written first and then made
// read-only, and would come back from the file as it was before.
func untouched(smaps, file string) []mapping {
	var all []mapping
	var last mapping
	for line := range strings.Lines(smaps) {
		if from, to, ok := unwritten(line, file); ok {
			last = mapping{from, to}
			continue
		}
		f := strings.Fields(line)
		switch {
		case len(f) > 0 && !strings.HasSuffix(f[0], ":"):
			last = mapping{} // another mapping begins
		case len(f) == 3 && f[0] == "Anonymous:" && f[1] == "0" && last != (mapping{}):
			all = append(all, last)
			last = mapping{}
		}
	}
	return all
}

// unwritten is the range of a mapping's first line ("from-to perms offset
// device inode path") if it maps the file and cannot be written.
func unwritten(line, file string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) != 6 || f[5] != file || len(f[1]) != 4 || f[1][1] != '-' || f[1][3] != 'p' {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(f[0], "%x-%x", &from, &to)
	return from, to, n == 2 && err == nil && from < to
}
