package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// maxRead is the most that is read of one file: what a node's file system holds
// may be garbage, or an attack.
const maxRead = 1 << 20

// read is a whole file of the host; one that is larger than maxRead is an error.
func (h *Host) read(path string) ([]byte, error) {
	f, err := h.FS.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxRead:
		return nil, fmt.Errorf("read %s: larger than %d bytes", path, maxRead)
	}
	return data, nil
}

// line is a file of one line, without its end.
func (h *Host) line(path string) (string, error) {
	data, err := h.read(path)
	return strings.TrimSpace(string(data)), err
}

// number is a file that holds one count.
func (h *Host) number(path string) (uint64, error) {
	text, err := h.line(path)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse %s: %w", path, err)
	}
	return v, nil
}

// names lists a directory, in order.
func (h *Host) names(dir string) ([]string, error) {
	entries, err := fs.ReadDir(h.FS, dir)
	out := make([]string, 0, len(entries))
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, err
}

// exists is whether there is anything at the path that can be seen.
func (h *Host) exists(path string) bool {
	_, err := fs.Stat(h.FS, path)
	return err == nil
}

// lacks is whether a file is missing because the host has no such thing. When
// what it should lie in is missing too, the host's tree is not all mounted, and
// then nothing is known.
func (h *Host) lacks(err error, within string) bool {
	return errors.Is(err, fs.ErrNotExist) && h.exists(within)
}

// fields are the lines of a file of "name value" pairs, such as /proc/vmstat;
// values that are no counts are left out.
func (h *Host) fields(path string) (map[string]uint64, error) {
	data, err := h.read(path)
	if err != nil {
		return nil, err
	}
	out := map[string]uint64{}
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if v, err := strconv.ParseUint(f[1], 10, 64); err == nil {
			out[strings.TrimSuffix(f[0], ":")] = v
		}
	}
	return out, nil
}

// uptime is how long the host runs.
func (h *Host) uptime() (time.Duration, error) {
	text, err := h.line("proc/uptime")
	if err != nil {
		return 0, err
	}
	var seconds float64
	if _, err := fmt.Sscan(text, &seconds); err != nil {
		return 0, fmt.Errorf("parse %q: %w", text, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
