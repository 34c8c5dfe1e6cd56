package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Recall is what an earlier look at the fleet came to, as far as the next one
// wants to know: what is new since, and on which nodes it came with an upgrade.
type Recall struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	// Nodes by name. One that is replaced under its name has another release or
	// another age; either way what it had is no news of the new one.
	Nodes map[string]Recalled `json:"nodes"`
}

// Recalled is one node of an earlier look.
type Recalled struct {
	Release string `json:"release,omitempty"`
	// Found are the findings that asked for something: "time-sync/ClockNotSynchronised".
	Found []string `json:"found,omitempty"`
}

// RecallSchema names the shape of the file.
const RecallSchema = "tidemill.dev/doctor-recall/v1"

// LoadRecall reads what SaveRecall kept; nil when there is nothing yet, or
// nothing that this version understands.
func LoadRecall(path string) (*Recall, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the last look: %w", err)
	}
	var r Recall
	if json.Unmarshal(data, &r) != nil || r.Schema != RecallSchema {
		return nil, nil
	}
	return &r, nil
}

// Recall is the report as the next look wants to know it. What was seen of nodes
// that this report is not about stays as it was.
func (r Report) Recall(before *Recall) Recall {
	next := Recall{Schema: RecallSchema, Time: r.Time, Nodes: map[string]Recalled{}}
	for _, n := range r.Nodes {
		c := Recalled{Release: n.Release}
		for _, f := range n.Findings {
			if f.State == Fail || f.State == Warn {
				c.Found = append(c.Found, f.key())
			}
			// What could not be looked at now is neither old nor new when it shows again.
			if f.State == Unknown && before != nil {
				for _, k := range before.Nodes[n.Node].Found {
					if check, _, _ := cutKey(k); check == f.Check {
						c.Found = append(c.Found, k)
					}
				}
			}
		}
		next.Nodes[n.Node] = c
	}
	return next
}

func (f Finding) key() string { return f.Check + "/" + f.Reason }

func cutKey(k string) (check, reason string, ok bool) {
	for i := range k {
		if k[i] == '/' {
			return k[:i], k[i+1:], true
		}
	}
	return k, "", false
}

// Since marks what is new since an earlier look. Without one nothing is marked:
// then everything would be.
func (r Report) Since(before *Recall) Report {
	if before == nil {
		return r
	}
	nodes := slices.Clone(r.Nodes)
	for i, n := range nodes {
		was, known := before.Nodes[n.Node]
		upgraded := known && was.Release != "" && n.Release != "" && was.Release != n.Release
		nodes[i].Findings = slices.Clone(n.Findings)
		for j, f := range n.Findings {
			if f.State != Fail && f.State != Warn || slices.Contains(was.Found, f.key()) && !upgraded {
				continue
			}
			news := "since " + clock(before.Time)
			switch {
			case !known:
				news = "with the node"
			case upgraded:
				news = "since the change from " + clean(was.Release)
			}
			nodes[i].Findings[j].New = news
		}
	}
	r.Nodes = nodes
	return r
}

// Save keeps the look for the next; one that is killed leaves the old one.
func (c Recall) Save(path string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("keep this look: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".look-*")
	if err != nil {
		return fmt.Errorf("keep this look: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep this look: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("keep this look: %w", err)
	}
	return nil
}

// news counts what is new in a group, in words: "12 new since …".
func (g group) news() string {
	var order []string
	counts := map[string]int{}
	for _, f := range g.findings {
		if f.New == "" {
			continue
		}
		if counts[f.New]++; counts[f.New] == 1 {
			order = append(order, f.New)
		}
	}
	text := ""
	for _, k := range order {
		text += fmt.Sprintf("; %d new %s", counts[k], k)
	}
	return text
}
