package sim

import (
	"regexp"
	_ "unsafe" // for go:linkname
)

// The OCI SDK looks for secrets in each line that it would log, before it asks
// whether anybody logs, and there is no switch for that: it was a twentieth of a
// history. Here nobody logs, and the patterns that it looks for match nothing.

//go:linkname headerLines github.com/oracle/oci-go-sdk/v65/common.headerLinePattern
var headerLines *regexp.Regexp

//go:linkname jsonArrays github.com/oracle/oci-go-sdk/v65/common.jsonStringArrayFieldPattern
var jsonArrays *regexp.Regexp

//go:linkname jsonFields github.com/oracle/oci-go-sdk/v65/common.jsonStringFieldPattern
var jsonFields *regexp.Regexp

func logNothing() {
	never := regexp.MustCompile(`\A\z.`)
	headerLines, jsonArrays, jsonFields = never, never, never
}
