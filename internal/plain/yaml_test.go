package plain

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// TestYAMLKeepsEveryString: whatever a name holds, it is read back from the YAML.
func TestYAMLKeepsEveryString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := map[string]string{"name": rapid.String().Draw(t, "name")}
		if rapid.Bool().Draw(t, "control") {
			want["name"] += string(rapid.RuneFrom([]rune("\x00\x1b\x7f\u0085\u009b\ufeff\u2028\U000e0001\t")).Draw(t, "sign"))
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		out, err := YAML(text)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := yaml.Unmarshal(out, &got); err != nil || got["name"] != want["name"] {
			t.Fatalf("%q became %q, %v:\n%s", want["name"], got["name"], err, out)
		}
	})
}
