package okesim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDateSkew is how far a request's date may be off.
const maxDateSkew = 5 * time.Minute

// AddKey makes the public key known under a keyId ("<tenancy>/<user>/<fingerprint>").
func (s *Sim) AddKey(keyID string, key *rsa.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(keyID, "/")
	s.keys[keyID] = credential{key: key, principal: Principal{Type: "user", ID: parts[min(1, len(parts)-1)]}}
}

// credential finds an accepted key that has not expired.
func (s *Sim) credential(id string) (credential, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.keys[id]
	return c, ok && (c.expires.IsZero() || time.Now().Before(c.expires))
}

// authenticate checks a request's signature (draft-cavage-http-signatures-08, rsa-sha256), if the options ask for it, and says who
// signed. Without verification it believes the keyId.
func (s *Sim) authenticate(r *http.Request, body []byte) (Principal, error) {
	sig, err := parseAuthorization(r.Header.Get("Authorization"))
	if !s.opt.VerifySignatures {
		c, _ := s.credential(sig.keyID)
		return c.principal, nil
	}
	if err != nil {
		return Principal{}, err
	}
	if err := checkDate(r); err != nil {
		return Principal{}, err
	}
	if err := sig.covers(r, body, true); err != nil {
		return Principal{}, err
	}
	c, known := s.credential(sig.keyID)
	if !known {
		return Principal{}, errNotAuthenticated("unknown keyId")
	}
	if !sig.by(c.key, r) {
		return Principal{}, errNotAuthenticated("signature mismatch")
	}
	return c.principal, nil
}

// by says whether the key made the signature over this request.
func (sig signature) by(key *rsa.PublicKey, r *http.Request) bool {
	digest := sha256.Sum256([]byte(sig.signingString(r)))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], sig.value) == nil
}

type signature struct {
	keyID   string
	headers []string
	value   []byte
}

var authParam = regexp.MustCompile(`([a-zA-Z]+)="([^"]*)"`)

func parseAuthorization(header string) (signature, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Signature") {
		return signature{}, errNotAuthenticated("no Signature in the Authorization header")
	}
	params := map[string]string{}
	for _, m := range authParam.FindAllStringSubmatch(rest, -1) {
		params[m[1]] = m[2]
	}
	if params["algorithm"] != "rsa-sha256" {
		return signature{}, errNotAuthenticated("the algorithm must be rsa-sha256")
	}
	if v, given := params["version"]; given && v != "1" {
		return signature{}, errNotAuthenticated("the version must be 1")
	}
	value, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil {
		return signature{}, errNotAuthenticated("the signature is not base64")
	}
	return signature{keyID: params["keyId"], headers: strings.Fields(strings.ToLower(params["headers"])), value: value}, nil
}

func checkDate(r *http.Request) error {
	text := r.Header.Get("Date")
	if text == "" {
		text = r.Header.Get("x-date")
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return errNotAuthenticated("no valid date")
	}
	if time.Since(date).Abs() > maxDateSkew {
		return errNotAuthenticated("the date is more than " + maxDateSkew.String() + " off")
	}
	return nil
}

// covers demands that the signature covers what it must: a signature over the date alone would fit any request.
func (sig signature) covers(r *http.Request, body []byte, host bool) error {
	need := []string{"(request-target)"}
	if host {
		need = append(need, "host")
	}
	if !slices.Contains(sig.headers, "date") {
		need = append(need, "x-date")
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		need = append(need, "content-length", "content-type", "x-content-sha256")
		sum := sha256.Sum256(body)
		if r.Header.Get("x-content-sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
			return errNotAuthenticated("x-content-sha256 does not match the body")
		}
	}
	for _, name := range need {
		if !slices.Contains(sig.headers, name) {
			return errNotAuthenticated("the signature does not cover " + name)
		}
	}
	return nil
}

func (sig signature) signingString(r *http.Request) string {
	lines := make([]string, len(sig.headers))
	for i, name := range sig.headers {
		value := r.Header.Get(name)
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.RequestURI
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		lines[i] = name + ": " + value
	}
	return strings.Join(lines, "\n")
}
