package agent

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// shed gives back what the last round needed and the wait does not: free heap, and
// the pages of the binary's own code and tables. The latter are read-only copies
// of a file: the kernel drops them when asked and reads those again that are used
// again. Without it an agent keeps for ever what starting touched, most of it
// tables of API types that it never decodes.
func shed() error {
	debug.FreeOSMemory()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the binary: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("read mappings: %w", err)
	}
	for line := range bytes.Lines(maps) {
		from, to, ok := unwritten(string(line), self)
		if !ok {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give pages of the binary back: %w", errno)
		}
	}
	return nil
}

// unwritten is the range of a line of /proc/self/maps ("from-to perms offset
// device inode path") that maps the file and cannot be written: of nothing else
// may pages be dropped.
func unwritten(line, file string) (from, to uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) != 6 || f[5] != file || len(f[1]) != 4 || f[1][1] != '-' || f[1][3] != 'p' {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(f[0], "%x-%x", &from, &to)
	return from, to, n == 2 && err == nil && from < to
}
