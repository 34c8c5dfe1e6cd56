package oke

import (
	"net/http"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/tidemill/tidemill/internal/skew"
)

// Compute dates what it made by its own clock, and all who ask compare that with times
// of theirs: whether a machine was made in a run, whether it had its time to join. A
// clock that is twenty seconds behind ours would have every new machine older than the
// run that made it. So the driver translates: what it tells is by our clock.

// clocked measures Compute's clock by its answers.
type clocked struct {
	next  common.HTTPRequestDispatcher
	meter *skew.Meter
}

// Do implements common.HTTPRequestDispatcher.
func (c clocked) Do(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := c.next.Do(r)
	c.meter.Note(sent, time.Now(), answer)
	return answer, err
}

// ours puts the times of an instance by our clock. Nothing is made in the future: what
// the measurement leaves of that is taken off.
func (p *Provider) ours(in *core.Instance, now time.Time) {
	for _, t := range []*common.SDKTime{in.TimeCreated, in.TimeMaintenanceRebootDue} {
		if t != nil {
			t.Time = p.clock.Ours(t.Time)
		}
	}
	if in.TimeCreated != nil && in.TimeCreated.After(now) {
		in.TimeCreated.Time = now
	}
}
