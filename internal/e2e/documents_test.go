package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/playground"
	"github.com/tidemill/tidemill/internal/world/whatif"
)

var (
	yamlBlock = regexp.MustCompile("(?ms)^( *)```(yaml|json)\n(.*?)^ *```")
	// patchCall is a kubectl patch of a Pool as people copy it.
	patchCall = regexp.MustCompile(`kubectl patch pool[s/ ]\S+ .*-p '([^']+)'`)
)

// whatIf marks a block that is a file for `tidemill plan --what-if`: such files may
// leave out what a decision does not need.
const whatIf = "tidemill.dev/template-of"

// documentsApply gives everything that the documents show to the API server, as a
// dry run: what a reader copies has no field that there is none of.
func documentsApply(ctx context.Context, t *testing.T, c client.Client) {
	blocks, patches := 0, 0
	for _, page := range documentsOf(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range yamlBlock.FindAllStringSubmatch(string(text), -1) {
			blocks++
			showBlock(ctx, t, c, page, regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[3], ""))
		}
		for _, m := range patchCall.FindAllStringSubmatch(string(text), -1) {
			patches++
			showPatch(ctx, t, c, page, m[1])
		}
	}
	if blocks < 9 || patches < 3 {
		t.Errorf("%d blocks and %d patches: the test proves little", blocks, patches)
	}
}

// documentsOf are all pages, and what helm says after an installation.
func documentsOf(t *testing.T) []string {
	t.Helper()
	all := []string{"../../README.md", "../../SECURITY.md", "../../manifests/chart/templates/NOTES.txt"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		all = append(all, found...)
	}
	return all
}

func showBlock(ctx context.Context, t *testing.T, c client.Client, page, text string) {
	t.Helper()
	if strings.Contains(text, whatIf) {
		if _, err := whatif.Parse(strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v in\n%s", page, err, text)
		}
		return
	}
	objects, err := playground.Documents([]byte(text))
	if err != nil || len(objects) == 0 {
		t.Errorf("%s: %d objects, %v in\n%s", page, len(objects), err, text)
	}
	for _, o := range objects {
		if o.GetKind() == "" { // a part of a Pool
			o.SetAPIVersion(v1alpha1.GroupVersion.String())
			o.SetKind("Pool")
			o.SetName("shown")
			if spec, ok := o.Object["spec"].(map[string]any); ok {
				spec["nodePoolID"] = "shown"
			}
		}
		if err := c.Create(ctx, o, client.DryRunAll); err != nil {
			t.Errorf("%s: %v in\n%s", page, err, text)
		}
	}
}

// showPatch applies a patch to a Pool that has nothing but its node pool.
func showPatch(ctx context.Context, t *testing.T, c client.Client, page, patch string) {
	t.Helper()
	pool := &v1alpha1.Pool{Spec: v1alpha1.PoolSpec{NodePoolID: "shown"}}
	pool.Name = "bare"
	if err := c.Create(ctx, pool.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	if err := c.Patch(ctx, pool, client.RawPatch(types.MergePatchType, []byte(patch)), client.DryRunAll); err != nil {
		t.Errorf("%s: %v in %s", page, err, patch)
	}
}
