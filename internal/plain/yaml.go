package plain

import (
	"fmt"
	"strings"
	"unicode"

	"sigs.k8s.io/yaml"
)

// YAML is a JSON text as YAML, with the same names in the same shape. JSON may hold
// signs that YAML's readers refuse, a node's name with a control character in it
// say: they are escaped before.
func YAML(json []byte) ([]byte, error) {
	var b strings.Builder
	for _, r := range string(json) {
		if r == '\n' || r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else { // within a string, where else
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	text, err := yaml.JSONToYAML([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("write yaml: %w", err)
	}
	return text, nil
}
