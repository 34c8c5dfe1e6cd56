package alerttest

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

// record is what a daemon told during a demo.
const record = "testdata/demo.txt.gz"

// TestEveryPanelShowsSomething: on the record of a demo, which scales, turns over,
// loses its cloud's capacity, breaks a node and repairs it.
func TestEveryPanelShowsSomething(t *testing.T) {
	if *recordFrom != "" {
		recordAll(t, *recordFrom)
	}
	st := teststorage.New(t)
	t.Cleanup(func() { _ = st.Close() })
	begin, end := replay(t, st)
	engine := promqltest.NewTestEngine(t, false, time.Minute, 50_000_000)
	for _, p := range panels(t) {
		for _, expr := range p.exprs {
			q, err := engine.NewRangeQuery(t.Context(), st, nil, expr, begin, end, 5*time.Second)
			if err != nil {
				t.Errorf("%s: %v", p.name(), err)
				continue
			}
			result := q.Exec(t.Context())
			m, err := result.Matrix()
			if err != nil {
				t.Errorf("%s: %v", p.name(), err)
			} else if lines(m.String()) == 0 {
				t.Errorf("%s shows nothing: %s", p.name(), expr)
			}
			q.Close()
		}
	}
}

func lines(s string) int { return len(strings.Fields(s)) }

// replay stores the record and says from when to when it is.
func replay(t *testing.T, st storage.Storage) (begin, end time.Time) {
	t.Helper()
	f, err := os.Open(record)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var at int64
	scrapes := 0
	flush := func() {
		if text.Len() > 0 {
			store(t, st, text.String(), at)
			scrapes++
		}
		text.Reset()
	}
	in := bufio.NewReader(z)
	for {
		line, err := in.ReadString('\n')
		if strings.HasPrefix(line, "# scrape ") {
			flush()
			if _, err := fmt.Sscanf(line, "# scrape %d", &at); err != nil {
				t.Fatal(err)
			}
			if begin.IsZero() {
				begin = time.UnixMilli(at)
			}
			end = time.UnixMilli(at)
		} else {
			text.WriteString(line)
		}
		if errors.Is(err, io.EOF) {
			flush()
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if scrapes < 10 {
		t.Fatalf("the record has %d scrapes: the test would prove nothing", scrapes)
	}
	return begin, end
}

// store appends one scrape.
func store(t *testing.T, st storage.Storage, text string, at int64) {
	t.Helper()
	app := st.Appender(context.Background())
	p := textparse.NewPromParser([]byte(text), labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var l labels.Labels
		p.Labels(&l)
		_, _, v := p.Series()
		b := labels.NewBuilder(l)
		b.Set("job", "tidemill").Set("instance", "tidemill-0").Set("namespace", "tidemill-system")
		if _, err := app.Append(0, b.Labels(), at, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}
