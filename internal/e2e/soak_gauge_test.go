package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sample is what a replica says of itself at one time.
type sample struct {
	Replica    string        `json:"replica"`
	Life       int           `json:"life"`
	Spell      int           `json:"spell"` // of leading or waiting within the life
	Age        time.Duration `json:"age"`   // of the spell
	Leader     bool          `json:"leader"`
	Heap       float64       `json:"heap"` // bytes that the last collection found alive
	Goroutines float64       `json:"goroutines"`
	Files      float64       `json:"files"`
	Series     float64       `json:"series"`
	RSS        float64       `json:"rss"`
}

// gauges are what must stay flat, with the most that each may grow in an hour, and
// how much of each life is left out before: caches fill, and every label of every
// metric is said for the first time. What fills last is client-go's broadcaster of
// events: it keeps each for six minutes and looks every six.
var gauges = []struct {
	name  string
	unit  string
	scale float64
	limit float64
	warm  time.Duration
	of    func(sample) float64
}{
	{"heap", "MiB/h", 1 << 20, 1, 12 * time.Minute, func(s sample) float64 { return s.Heap }},
	{"goroutines", "1/h", 1, 5, 3 * time.Minute, func(s sample) float64 { return s.Goroutines }},
	{"open files", "1/h", 1, 3, 3 * time.Minute, func(s sample) float64 { return s.Files }},
	{"metric series", "1/h", 1, 40, 3 * time.Minute, func(s sample) float64 { return s.Series }},
}

// weigh reads a replica's metrics.
func weigh(ctx context.Context, address string) (sample, error) {
	var s sample
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return s, err
	}
	r.Header.Set("Accept-Encoding", "identity") // what compresses a page weighs 800 KiB, a tenth of the heap, until the next collection but one
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return s, fmt.Errorf("read metrics: status %d", answer.StatusCode)
	}
	return s, s.read(answer.Body)
}

func (s *sample) read(from io.Reader) error {
	wanted := map[string]*float64{
		"go_gc_heap_live_bytes": &s.Heap, "go_goroutines": &s.Goroutines, "process_open_fds": &s.Files, "process_resident_memory_bytes": &s.RSS,
	}
	leader, found := 0.0, 0
	wanted["tidemill_leader"] = &leader
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		s.Series++
		name, value, _ := strings.Cut(line, " ")
		if to := wanted[name]; to != nil {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return fmt.Errorf("read metric %s: %w", name, err)
			}
			*to, found = v, found+1
		}
	}
	s.Leader = leader == 1
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	if found != len(wanted) {
		return fmt.Errorf("read metrics: %d of %d that are wanted", found, len(wanted))
	}
	return nil
}

// slope is how fast a gauge grows within the lives of processes, by least squares
// with an intercept for each life: a young process next to an old one is no growth.
// One that begins to lead begins a life as for this: it has more to remember.
type slope struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	PerHour float64 `json:"perHour"`
	// Error is the standard error of PerHour. Neighbours in time are alike, so it is
	// taken from means of a minute.
	Error  float64 `json:"error"`
	Limit  float64 `json:"limit"`
	Points int     `json:"points"`
	Lives  int     `json:"lives"`
	Longest,
	Least, Most float64
}

// steep is whether the gauge grows faster than it may beyond doubt.
func (s slope) steep() bool { return s.PerHour-2*s.Error > s.Limit }

// point is a minute's mean of one life.
type point struct{ x, y float64 }

// fit computes the slope of y over x, in units of y per hour when x is in hours.
func fit(lives map[string][]point) (perHour, standardError float64, points int) {
	var xx, xy float64
	type centred struct{ x, y float64 }
	var all []centred
	used := 0
	for _, life := range lives {
		if len(life) < 3 {
			continue // two points always lie on a line
		}
		used++
		var mx, my float64
		for _, p := range life {
			mx += p.x / float64(len(life))
			my += p.y / float64(len(life))
		}
		for _, p := range life {
			xx += (p.x - mx) * (p.x - mx)
			xy += (p.x - mx) * (p.y - my)
			all = append(all, centred{p.x - mx, p.y - my})
		}
	}
	free := len(all) - used - 1
	if xx == 0 || free < 1 {
		return 0, math.Inf(1), len(all)
	}
	b, rest := xy/xx, 0.0
	for _, p := range all {
		rest += (p.y - b*p.x) * (p.y - b*p.x)
	}
	return b, math.Sqrt(rest / float64(free) / xx), len(all)
}

// slopes are the gauges' slopes, each life's first minutes left out.
func slopes(samples []sample) []slope {
	var list []slope
	for _, g := range gauges {
		out := slope{Name: g.name, Unit: g.unit, Limit: g.limit, Least: math.Inf(1), Most: math.Inf(-1)}
		minutes := map[string]map[int][]point{}
		for _, s := range samples {
			if s.Age < g.warm {
				continue
			}
			key, y := fmt.Sprintf("%s %d %d", s.Replica, s.Life, s.Spell), g.of(s)/g.scale
			if minutes[key] == nil {
				minutes[key] = map[int][]point{}
			}
			m := int(s.Age / time.Minute)
			minutes[key][m] = append(minutes[key][m], point{s.Age.Hours(), y})
			out.Least, out.Most, out.Longest = min(out.Least, y), max(out.Most, y), max(out.Longest, (s.Age-g.warm).Minutes())
		}
		lives := map[string][]point{}
		for key, of := range minutes {
			for _, m := range of {
				var mean point
				for _, p := range m {
					mean.x += p.x / float64(len(m))
					mean.y += p.y / float64(len(m))
				}
				lives[key] = append(lives[key], mean)
			}
		}
		out.Lives = len(lives)
		out.PerHour, out.Error, out.Points = fit(lives)
		list = append(list, out)
	}
	return list
}
