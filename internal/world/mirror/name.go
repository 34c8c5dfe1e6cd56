package mirror

import (
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/cloudprovider"
)

// A Pool's name may be 253 characters long; at 50 it still fits a terminal, and
// leaves room for what makes it unique.
const nameLimit = 50

// poolName is a DNS-safe name for a node pool that is not taken: the node
// pool's own, if need be with the end of its OCID, which differs where names do
// not. The same cloud gives the same name again after a restart.
func poolName(p cloudprovider.NodePool, taken map[string]bool) string {
	name := dnsSafe(p.Name)
	if name == "" {
		name = "pool"
	}
	if !taken[name] {
		return name
	}
	if tail := dnsSafe(lastPart(string(p.ID), 6)); tail != "" {
		name += "-" + tail
	}
	unique := name
	for i := 2; taken[unique]; i++ {
		unique = fmt.Sprintf("%s-%d", name, i)
	}
	return unique
}

// dnsSafe keeps letters and digits, in lower case, and makes single dashes of
// all between them.
func dnsSafe(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= nameLimit {
			break
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

func lastPart(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}
