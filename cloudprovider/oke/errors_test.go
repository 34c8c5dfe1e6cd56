package oke

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
)

// refusal stands for the SDK's error: IsServiceError asserts the interface.
type refusal struct {
	status              int
	code, text, request string
}

func (r refusal) Error() string           { return "nine lines of advice" }
func (r refusal) GetHTTPStatusCode() int  { return r.status }
func (r refusal) GetCode() string         { return r.code }
func (r refusal) GetMessage() string      { return r.text }
func (r refusal) GetOpcRequestID() string { return r.request }

func TestTranslate(t *testing.T) {
	for _, c := range []struct {
		status     int
		code, text string
		want       error // nil: no sentinel
		refused    bool  // certainly not applied
	}{
		{400, "InvalidParameter", "no", cloudprovider.ErrInvalid, true},
		{400, "LimitExceeded", "too many cores", cloudprovider.ErrQuota, true},
		{400, "QuotaExceeded", "the administrator says no", cloudprovider.ErrQuota, true},
		{401, "NotAuthenticated", "who", cloudprovider.ErrUnauthorized, true},
		{403, "NotAllowed", "no", cloudprovider.ErrUnauthorized, true},
		{404, "NotAuthorizedOrNotFound", "not here", cloudprovider.ErrNotFound, true},
		{409, "IncorrectState", "busy", cloudprovider.ErrConflict, true},
		{409, "Conflict", "Kubernetes version does not match", cloudprovider.ErrInvalid, true},
		{412, "NoEtagMatch", "moved", cloudprovider.ErrConflict, true},
		{429, "TooManyRequests", "User-rate limit exceeded.", cloudprovider.ErrThrottled, true},
		{500, "InternalError", "Out of host capacity.", cloudprovider.ErrNoCapacity, true},
		{500, "InternalError", "oops", nil, false},
		{501, "MethodNotImplemented", "no", cloudprovider.ErrNotSupported, false},
		{503, "ServiceUnavailable", "later", nil, false},
	} {
		err := translate(refusal{c.status, c.code, c.text, "req-1"}, "user u (fingerprint f)")
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%d %s is %v, want %v", c.status, c.code, err, c.want)
		}
		if c.want == nil && errors.Unwrap(err) != nil {
			t.Errorf("%d %s is %v, want no sentinel", c.status, c.code, errors.Unwrap(err))
		}
		for _, part := range []string{c.code, c.text, "req-1"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("no %q in %q", part, err)
			}
		}
		if got := certainlyRefused(err); got != c.refused {
			t.Errorf("%d %s: certainly refused %v, want %v", c.status, c.code, got, c.refused)
		}
	}
}

func TestHints(t *testing.T) {
	for status, want := range map[int]string{401: "fingerprint f", 403: "IAM policies", 404: "check the OCID"} {
		err := translate(refusal{status, "NotAuthorizedOrNotFound", "x", ""}, "user u (fingerprint f)")
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%d: no %q in %q", status, want, err)
		}
	}
}

func TestNetworkErrors(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	read := &net.OpError{Op: "read", Err: errors.New("connection reset")}
	if err := translate(dial, ""); !certainlyRefused(err) || !errors.Is(err, dial) || !strings.Contains(err.Error(), "check the region") {
		t.Errorf("dial: %v", err)
	}
	if err := translate(read, ""); certainlyRefused(err) {
		t.Errorf("a broken line taken for a refusal: %v", err)
	}
}

// Whatever a broken proxy or an odd service answers: one line, no panic, and
// nothing that happened twice taken for something that did not happen.
func FuzzTranslate(f *testing.F) {
	f.Add(409, "IncorrectState", "busy", "req", "Mon, 02 Jan 2006 15:04:05 GMT", "7")
	f.Add(500, "InternalError", "Out of host capacity.", "", "", "")
	f.Add(0, "", "", "", "yesterday", "-1")
	f.Add(503, "<html>\n", "a\x00b\nc", "\n", "\xff", "99999999999999999999")
	f.Add(503, "", "", "", "", "9227000000") // seconds that overflow a duration
	f.Fuzz(func(t *testing.T, code int, name, text, request, date, after string) {
		p := &Provider{who: identity{who: "user u", grantee: "group g", refused: "no"}, compartment: "c"}
		r := &http.Response{Header: http.Header{"Date": {date}, "Retry-After": {after}}}
		err := p.explain("UpdateNodePool", translate(refusal{code, name, text, request}, "user u"), r)
		if err == nil || status(err) != code {
			t.Fatalf("%d %q became %v", code, name, err)
		}
		_ = err.Error()
		if certainlyRefused(err) && code >= 500 && !strings.Contains(strings.ToLower(text), outOfCapacity) && name != codeLimitExceeded && name != codeQuotaExceeded {
			t.Errorf("%d %q %q is certainly refused", code, name, text)
		}
		if d := retryAfter(r); d < 0 {
			t.Errorf("Retry-After %q is %v", after, d)
		}
		if got := fault(name, text); got.Message != text || got.Code != name || got.Class.String() == "" {
			t.Errorf("fault %+v", got)
		}
	})
}
