package sim

import (
	"testing"
	"time"
)

func TestRedate(t *testing.T) {
	for _, c := range []struct {
		text, want string
		by         time.Duration
	}{
		{`{"at":"2026-11-21T23:59:50Z"}`, `{"at":"2026-11-22T00:00:10Z"}`, 20 * time.Second},
		{`"2026-11-21T10:00:00.250Z", "2026-11-21T10:00:00.123456Z"`, `"2026-11-21T09:50:00.250Z", "2026-11-21T09:50:00.123456Z"`, -10 * time.Minute},
		{`{"note":"asked for at 2026-01-01T00:00:00Z → after 2026-01-02T00:00:00Z"}`, `{"note":"asked for at 2026-01-02T02:00:00Z → after 2026-01-03T02:00:00Z"}`, 26 * time.Hour},
		{`"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-01T00:00:00Z"`, `"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-01T00:00:00Z"`, time.Hour},
		{`"2026-11-21T10:00:00+02:00"`, `"2026-11-21T10:00:00+02:00"`, time.Hour},
	} {
		got := string(redate([]byte(c.text), c.by))
		if got != c.want {
			t.Errorf("%s by %s is %s, want %s", c.text, c.by, got, c.want)
		}
		if back := string(redate([]byte(got), -c.by)); back != c.text {
			t.Errorf("%s there and back by %s is %s", c.text, c.by, back)
		}
	}
}
