package oke

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/cloudprovider"
)

// ocid is the name of a resource of OCI: ocid1.TYPE.REALM.[REGION][.FUTURE].UNIQUE.
type ocid struct {
	kind, realm, region, unique string
}

// parseOCID takes an OCID apart; ok is false for any other text.
func parseOCID(text string) (id ocid, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) < 5 || len(parts) > 6 || parts[0] != "ocid1" || len(text) > 255 {
		return ocid{}, false
	}
	id = ocid{kind: parts[1], realm: parts[2], region: parts[3], unique: parts[len(parts)-1]}
	if id.kind == "" || id.realm == "" || id.unique == "" || strings.ContainsFunc(text, notInOCID) {
		return ocid{}, false
	}
	return id, true
}

func notInOCID(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
}

// checkOCID refuses an OCID of another kind than it should be: the service only
// says that nothing was found. Text that is no OCID at all is passed on, for a
// service that spells its names another way.
func checkOCID(what, text string, kinds ...string) error {
	if strings.TrimSpace(text) != text {
		return fmt.Errorf("use %q as the OCID of the %s: %w: there is white space around it", text, what, cloudprovider.ErrInvalid)
	}
	id, ok := parseOCID(text)
	if !ok && strings.HasPrefix(text, "ocid") {
		return fmt.Errorf("use %q as the OCID of the %s: %w: it is cut short or misspelt", text, what, cloudprovider.ErrInvalid)
	}
	if ok && !slices.Contains(kinds, id.kind) {
		return fmt.Errorf("use %s as the OCID of the %s: %w: it is the OCID of a %s", text, what, cloudprovider.ErrInvalid, id.kind)
	}
	return nil
}
