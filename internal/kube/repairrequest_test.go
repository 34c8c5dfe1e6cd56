package kube_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/internal/kube"
)

func TestRepairRequestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := kube.RepairRequest{
			Action: rapid.SampledFrom(kube.RepairActions()).Draw(t, "action"),
			Check:  rapid.StringMatching(`[a-z]+(-[a-z]+){0,2}`).Draw(t, "check"),
			Since:  time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "since"), 0).UTC(),
		}
		got, asked, err := kube.ParseRepairRequest(want.String())
		if diff := cmp.Diff(want, got); !asked || err != nil || diff != "" {
			t.Fatalf("asked=%v err=%v (-want +got):\n%s", asked, err, diff)
		}
	})
}

func TestParseRepairRequest(t *testing.T) {
	for _, c := range []struct {
		value      string
		asked, bad bool
	}{
		{"doctor/reboot/ready/2026-03-01T11:49:00Z", true, false},
		{"please", false, false},
		{"", false, false},
		{"doctor", false, false},
		{"doctor/", true, true},
		{"doctor/disk-full", true, true},
		{"doctor/ready/2026-03-01T11:49:00Z", true, true},
		{"doctor/explode/ready/2026-03-01T11:49:00Z", true, true},
		{"doctor/replace//2026-03-01T11:49:00Z", true, true},
		{"doctor/replace/ready/yesterday", true, true},
		{"doctor/replace/ready/2026-03-01T11:49:00Z/more", true, true},
	} {
		r, asked, err := kube.ParseRepairRequest(c.value)
		if asked != c.asked || (err != nil) != c.bad {
			t.Errorf("%q: %+v asked=%v err=%v", c.value, r, asked, err)
		}
	}
}
