package mirror

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/internal/world"
)

func TestFound(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct {
		pool cloudprovider.NodePool
		says []string
	}{
		{cloudprovider.NodePool{}, []string{"this Pool's alone"}},
		{cloudprovider.NodePool{Virtual: true}, []string{"virtual", "no verb"}},
		{cloudprovider.NodePool{Health: cloudprovider.Health{Warnings: []string{"tag a=b: no"}}}, []string{"this Pool's alone", "tag a=b: no"}},
		{cloudprovider.NodePool{Health: cloudprovider.Health{Warnings: []string{"1", "2", "3", "4", "5"}}}, []string{"1; 2; 3; and 2 more"}},
		{cloudprovider.NodePool{Health: cloudprovider.Health{Warnings: []string{long}}}, []string{"xxx"}},
	} {
		got := found(&world.Pool{Cloud: c.pool})
		for _, want := range c.says {
			if !strings.Contains(got, want) {
				t.Errorf("%q does not say %q", got, want)
			}
		}
		if len(got) > 1000 {
			t.Errorf("a message of %d bytes", len(got))
		}
	}
}
