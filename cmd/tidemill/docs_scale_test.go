package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shop is the cluster whose plans docs/scale.md shows, recorded. With -update it
// is recorded anew.
const shop = "testdata/docs/shop.tidemill"

// pageWidth is where the page cuts long lines.
const pageWidth = 150

// TestPlansOfTheScalePage: both plans that the page shows are what tidemill says
// today of the recorded cluster and of the very manifests that the page shows.
func TestPlansOfTheScalePage(t *testing.T) {
	if *update {
		recorded, err := os.ReadFile(recordedAt(t, busyWorld()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(shop, recorded, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page := pages(t)["docs/scale.md"]
	if !strings.Contains(page, "--snapshot cmd/tidemill/"+shop) {
		t.Error("the page does not say how to repeat what it shows")
	}
	cart := filepath.Join(t.TempDir(), "cart.yaml")
	if err := os.WriteFile(cart, []byte(block(t, page, "```yaml\nkind: Deployment\n", "kind: Deployment\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, args := range map[string][]string{
		"tidemill plan":                     {"plan", "--snapshot", shop},
		"tidemill plan --what-if cart.yaml": {"plan", "--snapshot", shop, "--what-if", cart},
	} {
		out, err := tidemill(t, "", args...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cutLines(out), block(t, page, "```\n$ "+command+"\n", "")); diff != "" {
			t.Errorf("%s (-today +page):\n%s", command, diff)
		}
	}
}

// block is what stands between a beginning and the end of its fence, after first.
func block(t *testing.T, page, begin, first string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, begin)
	text, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatalf("the page has no block that begins with %q", begin)
	}
	return first + text
}

func cutLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if len(line) > pageWidth {
			line = line[:pageWidth-3] + "..."
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}
