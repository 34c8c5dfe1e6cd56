package doctor

import (
	"context"
	"fmt"
	"time"
)

var zombieLimits = Limits{Warn: 100, Fail: 1000,
	Source: "gpud fails at 1,000; a handful is normal, since a zombie is gone only when its parent has read its end"}

var zombies = Check{
	ID:       "zombies",
	Title:    "the dead are buried",
	Unit:     "zombies",
	Limits:   zombieLimits,
	Evidence: EvidenceLevel,
	Remedy:   "ps -eo ppid,stat | grep Z names the parents that do not wait for their children: usually an image without an init, or a runtime that hangs",
	Action:   ActionNone,
	Run: func(ctx context.Context, p Patient) Finding {
		found, err := p.Host.inState(ctx, "Z")
		if err != nil {
			return unreadable("proc", err)
		}
		f := Finding{State: judge(zombieLimits, float64(len(found))), Observed: quantity(float64(len(found)), "zombies")}
		if f.State != Pass {
			f.Reason, f.Message = "Zombies", f.Observed+" wait for their parents"
		}
		return f
	},
}

// blockedFor is the least time between two runs for a process that both saw
// blocked to count: on a busy disk every process is blocked now and then.
const blockedFor = time.Minute

var blockedLimits = Limits{Warn: 1, Fail: 20,
	Source: "processes that this run and one at least a minute ago both found in state D; gpud takes five minutes, and saw none in a healthy fleet"}

var uninterruptible = Check{
	ID:       "uninterruptible",
	Title:    "no process is stuck in the kernel",
	Unit:     "tasks",
	Limits:   blockedLimits,
	Evidence: EvidenceCounter,
	Remedy:   "cat /proc/PID/stack shows where: a disk, a file server or a driver that does not answer; such a process cannot be killed, only rebooted away",
	Action:   ActionNone,
	Run: func(ctx context.Context, p Patient) Finding {
		found, err := p.Host.inState(ctx, "D")
		if err != nil {
			return unreadable("proc", err)
		}
		f := pass(fmt.Sprintf("%d blocked now", len(found)))
		f.Counts = map[string]uint64{}
		var stuck []string
		for _, one := range found {
			key := fmt.Sprintf("uninterruptible/%d-%d", one.pid, one.start)
			f.Counts[key] = uint64(p.Now.Unix())
			if first, ok := p.Host.before(key); ok {
				f.Counts[key] = first
				if p.Now.Sub(time.Unix(int64(first), 0)) >= blockedFor {
					stuck = append(stuck, fmt.Sprintf("%s (%d)", one.name, one.pid))
				}
			}
		}
		if len(stuck) > 0 {
			f.State, f.Reason = judge(blockedLimits, float64(len(stuck))), "ProcessesBlocked"
			f.Message = fmt.Sprintf("%s blocked at each look for a minute or more: %s", quantity(float64(len(stuck)), "tasks"), some(stuck))
		}
		return f
	},
}

type process struct {
	pid   int
	start uint64 // clock ticks after boot: tells it from a later one of the same number
	name  string
}

// inState are the processes in a state that this /proc shows. They come and go
// while they are counted; who is gone is in no state.
func (h *Host) inState(ctx context.Context, state string) ([]process, error) {
	all, err := h.Proc.AllProcs()
	if err != nil {
		return nil, err
	}
	var out []process
	read := 0
	for _, one := range all {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		st, err := one.Stat()
		if err != nil {
			continue
		}
		read++
		if st.State == state {
			out = append(out, process{one.PID, st.Starttime, st.Comm})
		}
	}
	if read == 0 {
		return nil, orGarbage(nil) // not even our own: this is no view of a host
	}
	return out, nil
}
