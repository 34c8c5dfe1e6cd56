package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// spdx is the part of an SPDX 2.3 document that a list of Go modules needs.
type spdx struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []spdxPackage  `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID        string     `json:"SPDXID"`
	Name      string     `json:"name"`
	Version   string     `json:"versionInfo,omitempty"`
	Location  string     `json:"downloadLocation"`
	Analyzed  bool       `json:"filesAnalyzed"`
	Checksums []checksum `json:"checksums,omitempty"`
	External  []external `json:"externalRefs,omitempty"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type external struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// sbom is the bill of materials of a binary: what its linker wrote into it, not
// what a go.mod somewhere says. Each module becomes a package with its purl.
func sbom(binary, version string, p platform) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read build information of %s: %w", binary, err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(program)
	digest := hex.EncodeToString(sum[:])
	doc := spdx{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT",
		Name:      fmt.Sprintf("tidemill-%s-%s-%s", version, p.os, p.arch),
		Namespace: "https://tidemill.dev/spdx/" + digest,
		Creation:  creation{Created: epoch.Format("2006-01-02T15:04:05Z"), Creators: []string{"Tool: tidemill-ship"}},
		Packages: []spdxPackage{{
			ID: "SPDXRef-tidemill", Name: "tidemill", Version: version, Location: "NOASSERTION",
			Checksums: []checksum{{"SHA256", digest}},
		}},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-tidemill"}},
	}
	add := func(path, version string) {
		id := "SPDXRef-" + plain(path+"-"+version)
		doc.Packages = append(doc.Packages, spdxPackage{
			ID: id, Name: path, Version: version, Location: "NOASSERTION",
			External: []external{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + version}},
		})
		doc.Relationships = append(doc.Relationships, relationship{"SPDXRef-tidemill", "DEPENDS_ON", id})
	}
	add("stdlib", strings.TrimPrefix(info.GoVersion, "go"))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		add(m.Path, m.Version)
	}
	slices.SortFunc(doc.Packages[1:], func(a, b spdxPackage) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(doc.Relationships[1:], func(a, b relationship) int { return strings.Compare(a.To, b.To) })
	return json.MarshalIndent(doc, "", "  ")
}

// plain keeps the characters that an SPDX identifier may have.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, s)
}
