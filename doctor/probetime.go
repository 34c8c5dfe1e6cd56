package doctor

import (
	"context"
	"fmt"
	"math"
)

var offsetLimits = Limits{Warn: 0.1, Fail: 1, Source: "OCI's own time server; leases and tokens break at tens of seconds, logs are useless at one"}

var timeOffset = Check{
	ID: "time-offset", Title: "the clock agrees with OCI's", Unit: "s", Limits: offsetLimits, Evidence: EvidenceLevel,
	Remedy: "chronyc tracking tells which server it follows; on OCI it should be 169.254.169.254",
	Action: ActionNone,
	Run: probing(func(ctx context.Context, _ Patient, q *Probes) Finding {
		off, err := q.Offset(ctx, q.NTP)
		for range tries - 1 {
			if err == nil || ctx.Err() != nil {
				break
			}
			off, err = q.Offset(ctx, q.NTP)
		}
		if err != nil {
			// Its silence says nothing about the clock; time-sync does.
			return unknown("TimeServerSilent", fmt.Sprintf("ask %s: %v", q.NTP, err))
		}
		f := Finding{State: judge(offsetLimits, math.Abs(off.Seconds())), Observed: fmt.Sprintf("%+.3fs", off.Seconds())}
		if f.State != Pass {
			f.Reason, f.Message = "ClockOff", "the clock is off, by what OCI's time server says"
		}
		return f
	}),
}
