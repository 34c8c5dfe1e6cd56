package scale

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestEveryReasonIsExplained: whoever sees a reason finds it in the guide.
func TestEveryReasonIsExplained(t *testing.T) {
	source, err := os.ReadFile("reason.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`Reason = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 30 {
		t.Fatalf("%d reasons were found: the test proves nothing", len(reasons))
	}
	for _, m := range reasons {
		if !strings.Contains(string(guide), "| `"+m[1]+"` |") {
			t.Errorf("docs/scale.md does not explain %s", m[1])
		}
	}
}
