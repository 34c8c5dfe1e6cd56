package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Where the words of a statement are defined. The last two are names only: what
// they mean stands in docs/releasing.md.
const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://slsa.dev/provenance/v1"
	buildType     = "https://tidemill.dev/ship/v1"
	builder       = "https://tidemill.dev/ship"
)

// statement is an in-toto statement with SLSA provenance: what these files are
// made of, and how. It is unsigned: who publishes signs it, and answers for it.
type statement struct {
	Type          string     `json:"_type"`
	Subject       []subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     provenance `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type provenance struct {
	Definition definition `json:"buildDefinition"`
	Details    details    `json:"runDetails"`
}

type definition struct {
	Type         string            `json:"buildType"`
	External     map[string]string `json:"externalParameters"`
	Internal     map[string]string `json:"internalParameters"`
	Dependencies []material        `json:"resolvedDependencies"`
}

type material struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest,omitempty"`
}

// details name the program and no machine and no time: the same order gives the
// same statement wherever it is carried out.
type details struct {
	Builder struct {
		ID string `json:"id"`
	} `json:"builder"`
}

// provenance says how the subjects came to be. The toolchain is the one that the
// linker wrote into a binary of theirs.
func (o order) provenance(what, binary string, subjects []subject) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read build information of %s: %w", binary, err)
	}
	var platforms, settings []string
	for _, p := range o.platforms {
		platforms = append(platforms, p.String())
		for _, s := range p.settings() {
			if key, _, _ := strings.Cut(s, "="); key != "GOOS" && key != "GOARCH" && !slices.Contains(settings, s) {
				settings = append(settings, s)
			}
		}
	}
	out := statement{Type: statementType, PredicateType: predicateType, Subject: subjects}
	commit, _ := strings.CutSuffix(o.revision, "-dirty")
	sources := material{URI: "git+https://github.com/tidemill/tidemill"}
	if commit != "" && commit == o.revision { // the digest of a dirty tree is nobody's
		sources.URI += "@" + commit
		sources.Digest = map[string]string{"gitCommit": commit}
	}
	out.Predicate.Definition = definition{
		Type:     buildType,
		External: map[string]string{"what": what, "version": o.version, "revision": o.revision, "platforms": strings.Join(platforms, ",")},
		Internal: map[string]string{"environment": strings.Join(settings, " "), "go": strings.Join(o.arguments(), " ")},
		Dependencies: []material{
			sources,
			{URI: "pkg:golang/toolchain@" + strings.TrimPrefix(info.GoVersion, "go")},
		},
	}
	out.Predicate.Details.Builder.ID = builder
	return json.MarshalIndent(out, "", "  ")
}

// write puts a statement beside its subjects.
func (o order) writeProvenance(path, what, binary string, subjects []subject) error {
	text, err := o.provenance(what, binary, subjects)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
