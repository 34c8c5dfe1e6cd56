package doctor

import (
	"context"
	"fmt"
	"strconv"
)

// fileCap is the largest believable limit. systemd raises file-max to the
// largest number there is; measured against that, no leak would ever show.
const fileCap = 10_000_000

var fileLimits = Limits{Warn: 70, Fail: 90,
	Source: "of min(fs.file-max, 10 million); gpud caps the denominator alike"}

var fileHandles = Check{
	ID:       "file-handles",
	Title:    "files can be opened",
	Unit:     "%",
	Limits:   fileLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find the process that leaks descriptors (ls /proc/PID/fd | wc -l for the largest), and limit it",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		fields, err := p.Host.Proc.SysctlStrings("fs.file-nr")
		if err != nil || len(fields) != 3 {
			return unreadable("fs.file-nr", orGarbage(err))
		}
		used, errUsed := strconv.ParseUint(fields[0], 10, 64)
		limit, errLimit := strconv.ParseUint(fields[2], 10, 64)
		if errUsed != nil || errLimit != nil || limit == 0 {
			return unreadable("fs.file-nr", orGarbage(nil))
		}
		limit = min(limit, fileCap)
		percent := float64(used) * 100 / float64(limit)
		f := Finding{State: judge(fileLimits, percent), Observed: fmt.Sprintf("%.1f%% (%d of %d)", percent, used, limit)}
		if f.State != Pass {
			f.Reason, f.Message = "FileHandlesNearLimit", fmt.Sprintf("%d open files of at most %d", used, limit)
		}
		return f
	},
}
