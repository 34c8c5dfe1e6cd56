package alerttest

import (
	"bufio"
	"compress/gzip"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var recordFrom = flag.String("record", "", "`URL` of a daemon's metrics to take the record from, until it has been silent for a minute")

// kept are the series that panels may ask for; the rest is the libraries' own.
var kept = regexp.MustCompile(`^(tidemill_|cluster_autoscaler_|process_(resident|cpu)|rest_client_requests_total)`)

// recordAll writes the record anew. The demo kills its daemon and starts it again:
// only a long silence is the end.
func recordAll(t *testing.T, url string) {
	t.Helper()
	f, err := os.Create(record)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z := gzip.NewWriter(f)
	heard, silence := false, time.Now().Add(5*time.Minute) // a demo has to be built and begun
	for tick := time.NewTicker(4 * time.Second); time.Now().Before(silence); <-tick.C {
		now := time.Now()
		text, err := scrape(url)
		if err != nil {
			continue
		}
		heard, silence = true, now.Add(time.Minute)
		if _, err := fmt.Fprintf(z, "# scrape %d\n%s", now.UnixMilli(), text); err != nil {
			t.Fatal(err)
		}
	}
	if !heard {
		t.Fatalf("nobody answered at %s", url)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

func scrape(url string) (string, error) {
	c := http.Client{Timeout: 3 * time.Second}
	answer, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	var b strings.Builder
	in := bufio.NewScanner(answer.Body)
	for in.Scan() {
		if kept.MatchString(in.Text()) {
			b.WriteString(in.Text() + "\n")
		}
	}
	return b.String(), in.Err()
}
