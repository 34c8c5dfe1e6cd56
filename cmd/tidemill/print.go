package main

import (
	"encoding/json"
	"fmt"

	"github.com/tidemill/tidemill/internal/plain"
)

// structured is whether the answer is for programs.
func (g *globals) structured() bool { return g.output == "json" || g.output == "yaml" }

// print writes v for programs: the same names in JSON and in YAML.
func (g *globals) print(v any) error {
	if g.output == "yaml" {
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("write yaml: %w", err)
		}
		if text, err = plain.YAML(text); err == nil {
			_, err = g.stdout.Write(text)
		}
		return err
	}
	return g.json(v)
}

func (g *globals) json(v any) error {
	e := json.NewEncoder(g.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
