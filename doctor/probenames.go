package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"
)

var namesLimits = Limits{Warn: 0.5, Source: "seconds for one name from the slowest server; glibc gives up after 5"}

var nameServers = Check{
	ID: "name-servers", Title: "every name server of the host answers", Unit: "s", Limits: namesLimits, Evidence: EvidenceLevel,
	Remedy: "the VCN's own resolver is 169.254.169.254; one of your own must be reachable over UDP and TCP 53 from the subnet",
	Action: ActionNone,
	Run: probing(func(ctx context.Context, p Patient, q *Probes) Finding {
		servers, err := p.Host.nameservers()
		if err != nil {
			return unreadable("etc/resolv.conf", err)
		}
		if len(servers) == 0 {
			return Finding{State: Fail, Reason: "NoNameServer", Message: "etc/resolv.conf names no server"}
		}
		region, err := q.region(ctx)
		if err != nil {
			return unknown("RegionUnknown", err.Error())
		}
		return q.judgeNames(ctx, servers, region)
	}),
}

// judgeNames asks each server by itself: a resolver that fails over hides the
// first one's death behind five seconds a lookup.
func (q *Probes) judgeNames(ctx context.Context, servers []string, region string) Finding {
	var dead []string
	var slowest time.Duration
	for _, s := range servers {
		var err error
		began := time.Now()
		for range tries {
			one, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
			began = time.Now()
			for _, name := range q.Names {
				if err = q.Resolver(one, s, strings.ReplaceAll(name, "%s", region)); err != nil {
					break
				}
			}
			cancel()
			if err == nil || ctx.Err() != nil {
				break
			}
		}
		if err != nil {
			dead = append(dead, fmt.Sprintf("%s (%v)", s, err))
			continue
		}
		slowest = max(slowest, time.Since(began))
	}
	f := Finding{State: judge(namesLimits, slowest.Seconds()), Observed: fmt.Sprintf("%d of %d answer, the slowest in %.3fs", len(servers)-len(dead), len(servers), slowest.Seconds())}
	switch {
	case len(dead) == len(servers):
		f.State, f.Reason, f.Message = Fail, "NamesUnresolved", "no server answers: "+strings.Join(dead, ", ")
	case len(dead) > 0:
		f.State, f.Reason, f.Message = Warn, "NameServerDead", "does not answer: "+strings.Join(dead, ", ")
	case f.State != Pass:
		f.Reason, f.Message = "NamesSlow", "lookups are slow"
	}
	return f
}
