package mirror

import (
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/internal/world"
)

// found is the message of a Ready condition that is true: what kind of pool it
// is, and what it says of its nodes that nobody understood. A tag with a typing
// error keeps no pool from being ready; it is told where people look.
func found(p *world.Pool) string {
	message := "the node pool exists and is this Pool's alone"
	if p.Cloud.Virtual {
		message = "the node pool is a virtual one: it is shown, and no verb acts on it"
	}
	list := p.Cloud.Health.Warnings
	if len(list) == 0 {
		return message
	}
	const most = 3
	more := ""
	if len(list) > most {
		more = fmt.Sprintf("; and %d more", len(list)-most)
		list = list[:most]
	}
	return message + "; ignored, as it was not understood: " + cut(strings.Join(list, "; "), 800) + more
}
