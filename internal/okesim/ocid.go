package okesim

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"hash/fnv"
	"strings"
)

// regionKeys maps region identifiers to the short keys inside OCIDs; a region not listed stands for itself.
var regionKeys = map[string]string{
	"us-ashburn-1":   "iad",
	"us-phoenix-1":   "phx",
	"eu-frankfurt-1": "fra",
	"uk-london-1":    "lhr",
	"ap-tokyo-1":     "nrt",
}

func (s *Sim) regionKey() string {
	if key, ok := regionKeys[s.opt.Region]; ok {
		return key
	}
	return s.opt.Region
}

// newOCID returns the next OCID: unique, and the same in each run that does the same. The caller holds mu.
func (s *Sim) newOCID(kind string) string {
	s.ids++
	return ocid(kind, s.regionKey(), fmt.Sprintf("%s %d", kind, s.ids))
}

func ocid(kind, region, seed string) string {
	sum := sha256.Sum256([]byte(seed))
	text := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
	return fmt.Sprintf("ocid1.%s.oc1.%s.aaaaaaaa%s", kind, region, text)
}

// Tenancy returns the OCID of the tenancy, which is also the root compartment.
func (s *Sim) Tenancy() string { return ocid("tenancy", "", "tenancy") }

// Compartment returns the OCID of the compartment that clusters live in unless they name another.
func (s *Sim) Compartment() string { return ocid("compartment", "", "compartment") }

// tail is the part of an OCID that display names carry.
func tail(id string) string { return id[max(0, len(id)-11):] }

// etag derives an etag from an OCID and a revision.
func etag(id string, revision int) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", id, revision)
	return fmt.Sprintf("%016x", h.Sum64())
}

// matchEtag is the compare half of compare-and-set: an empty if-match matches everything.
func matchEtag(ifMatch, have string) error {
	if ifMatch != "" && ifMatch != "*" && ifMatch != have {
		return errNoEtagMatch(ifMatch, have)
	}
	return nil
}
