package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"time"
)

// syncGrace is how long after boot the clock may be undisciplined.
const syncGrace = 10 * time.Minute

var syncLimits = Limits{Warn: 1, Fail: 10,
	Source: "the kernel's own bound; it grows by 1.8 s an hour without a time server. Tokens and leases break at tens of seconds"}

var timeSync = Check{
	ID:       "time-sync",
	Title:    "the clock is kept in time",
	Unit:     "s",
	Limits:   syncLimits,
	Evidence: EvidenceLevel,
	Remedy:   "check that chronyd runs and reaches its server (on OCI 169.254.169.254): chronyc tracking, chronyc sources",
	Action:   ActionNone,
	Run: func(_ context.Context, p Patient) Finding {
		c, err := p.Host.Clock()
		if err != nil {
			return unreadable("the kernel's clock state", err)
		}
		off := fmt.Sprintf("at most %s off", c.MaxError.Round(time.Millisecond))
		if c.Synced {
			f := Finding{State: judge(syncLimits, c.MaxError.Seconds()), Observed: off}
			if f.State != Pass {
				f.Reason, f.Message = "ClockUncertain", "the clock may be "+off
			}
			return f
		}
		f := Finding{State: Fail, Reason: "ClockNotSynchronised", Observed: off, Message: "nothing disciplines the clock (STA_UNSYNC)" + lastDisciplined(p)}
		if up, err := p.Host.uptime(); err == nil && up < syncGrace {
			f.State, f.Message = Warn, f.Message+"; the host has just booted"
		}
		return f
	},
}

// lastDisciplined tells when chrony last wrote what it had learned, which it
// does about hourly while it works.
func lastDisciplined(p Patient) string {
	for _, path := range []string{"var/lib/chrony/drift", "var/lib/chrony/chrony.drift"} {
		if info, err := fs.Stat(p.Host.FS, path); err == nil {
			return "; chrony last wrote its drift at " + clock(info.ModTime())
		}
	}
	return "; no drift file of chrony is there"
}
