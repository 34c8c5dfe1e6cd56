package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tally is what the counters of a host stood at in one run. Counters only say
// something when they are compared: how many since the last run. They begin
// anew when the host boots, which its boot ID tells.
type Tally struct {
	Boot   string            `json:"boot"`
	Time   time.Time         `json:"time"`
	Counts map[string]uint64 `json:"counts"`
}

// LoadTally reads what an earlier run kept. A file that is not there yet, or is
// damaged, is no tally: the run then begins to count.
func LoadTally(path string) (*Tally, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read counters of the last run: %w", err)
	}
	var t Tally
	if json.Unmarshal(data, &t) != nil || t.Boot == "" {
		return nil, nil
	}
	return &t, nil
}

// Save keeps the tally for the next run. A run that is killed in the middle
// leaves the old one.
func (t Tally) Save(path string) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("keep counters: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tally-*")
	if err != nil {
		return fmt.Errorf("keep counters: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep counters: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("keep counters: %w", err)
	}
	return nil
}

// next is the tally after a run with these findings. What could not be read this
// time keeps its old count, so that one blind run hides nothing.
func (h *Host) next(now time.Time, findings []Finding) Tally {
	t := Tally{Boot: h.Boot, Time: now, Counts: map[string]uint64{}}
	for _, f := range findings {
		counts := f.Counts
		if f.State == Unknown && h.Before != nil {
			counts = h.Before.Counts
		}
		for key, v := range counts {
			if strings.HasPrefix(key, f.Check+"/") {
				t.Counts[key] = v
			}
		}
	}
	return t
}

// before is the count of the last run; false when there was none since boot.
func (h *Host) before(key string) (uint64, bool) {
	if h.Before == nil || h.Boot == "" || h.Before.Boot != h.Boot {
		return 0, false
	}
	v, ok := h.Before.Counts[key]
	return v, ok
}

// counter is a check on counters that only rise, by what they count ("eth0").
type counter struct {
	id     string
	limits Limits
	// reason is the finding's when the counters rise; what names what they
	// count, as in "3 OOM kills".
	reason, what string
	// normal is what an ordinary boot counts; no more than that is not told.
	normal uint64
}

// judge compares the counters with the last run. Without one nobody can tell
// whether they rose in the last minute or in the first of the year: then it is
// told, and no more.
func (c counter) judge(h *Host, counts map[string]uint64) Finding {
	f := Finding{State: Pass, Counts: map[string]uint64{}}
	var total, rise uint64
	var where []string
	compared := false
	for _, name := range sortedKeys(counts) {
		v := counts[name]
		key := c.id + "/" + name
		f.Counts[key] = v
		total += v
		was, ok := h.before(key)
		if !ok {
			continue // new since the last run: this is where it begins
		}
		compared = true
		if v < was {
			was = 0 // reset without a boot: a driver was loaded anew
		}
		if v > was {
			rise += v - was
			where = append(where, fmt.Sprintf("%s %d", name, v-was))
		}
	}
	if !compared {
		f.Observed = fmt.Sprintf("%d since boot", total)
		if total > c.normal {
			f.State, f.Reason, f.Message = Info, "CountedSinceBoot", fmt.Sprintf("%d %s since boot; the next run tells whether it goes on", total, c.what)
		}
		return f
	}
	f.Observed = fmt.Sprintf("%d since %s", rise, clock(h.Before.Time))
	f.State = judge(c.limits, float64(rise))
	if f.State == Pass && rise > 0 {
		f.State = Info
	}
	if rise > 0 {
		f.Reason, f.Message = c.reason, fmt.Sprintf("%d %s since the last run at %s: %s", rise, c.what, clock(h.Before.Time), some(where))
	}
	return f
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
