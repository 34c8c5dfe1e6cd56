package doctor

import "context"

var diskInodes = Check{
	ID:       "disk-inodes",
	Title:    "the disks have room for more files",
	Unit:     "%",
	Limits:   diskLimits,
	Evidence: EvidenceLevel,
	Remedy:   "find the directory with very many small files (find DIR -xdev | wc -l); df -i shows the file systems",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		f := fullest(p.Host, func(u Usage) (used, all uint64) { return u.Files - u.FilesFree, u.Files })
		if f.Reason == "DiskFull" {
			f.Reason = "InodesUsedUp"
		}
		return f
	},
}
