package oke

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/tidemill/tidemill/cloudprovider"
)

// apiError is a refusal of the service in its own words, as one line. The SDK's
// text is nine lines long and ends with advice to debug the SDK.
type apiError struct {
	sentinel  error // of cloudprovider; nil if none fits
	status    int   // HTTP
	code      string
	message   string
	requestID string // what Oracle's support asks for
	hint      string
}

func (e *apiError) Error() string {
	var b strings.Builder
	if e.sentinel != nil {
		b.WriteString(e.sentinel.Error() + ": ")
	}
	fmt.Fprintf(&b, "%d %s: %s", e.status, e.code, strings.TrimSpace(e.message))
	if e.requestID != "" {
		fmt.Fprintf(&b, " (opc-request-id %s)", e.requestID)
	}
	if e.hint != "" {
		b.WriteString("; " + e.hint)
	}
	return b.String()
}

func (e *apiError) Unwrap() error { return e.sentinel }

// The codes of Container Engine and Compute that mean more than their status.
// Source: Oracle's "API Errors" page; NoEtagMatch goes by its status, as no page
// names the code.
const (
	codeIncorrectState = "IncorrectState" // transient: the pool is busy
	codeConflict       = "Conflict"       // "this state is not transient"
	codeLimitExceeded  = "LimitExceeded"
	codeQuotaExceeded  = "QuotaExceeded"
	outOfCapacity      = "out of host capacity" // there is no code for it, only this text
)

// translate turns an error of the SDK into one of the contract's, keeping code,
// message and request id. who says whose credentials were used.
func translate(err error, who string) error {
	// A plain assertion: the SDK's own test sees no wrapped error either.
	failure, ok := common.IsServiceError(err)
	if !ok {
		return translateNetwork(err)
	}
	e := &apiError{
		status: failure.GetHTTPStatusCode(), code: failure.GetCode(), message: failure.GetMessage(), requestID: failure.GetOpcRequestID(),
	}
	e.sentinel = sentinel(e.status, e.code, e.message)
	e.hint = hint(e, who)
	return e
}

func sentinel(status int, code, message string) error {
	switch {
	case code == codeLimitExceeded || code == codeQuotaExceeded:
		return cloudprovider.ErrQuota
	case strings.Contains(strings.ToLower(message), outOfCapacity):
		return cloudprovider.ErrNoCapacity
	case status == http.StatusConflict && code == codeConflict:
		return cloudprovider.ErrInvalid
	}
	switch status {
	case http.StatusBadRequest:
		return cloudprovider.ErrInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		return cloudprovider.ErrUnauthorized
	case http.StatusNotFound:
		return cloudprovider.ErrNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return cloudprovider.ErrConflict
	case http.StatusTooManyRequests:
		return cloudprovider.ErrThrottled
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return cloudprovider.ErrNotSupported
	}
	return nil
}

func hint(e *apiError, who string) string {
	switch e.status {
	case http.StatusUnauthorized:
		return "the API key of " + who + " was refused: check the fingerprint against the user's API keys, and this machine's clock"
	case http.StatusForbidden:
		return who + " may not do this: check the IAM policies"
	case http.StatusNotFound:
		if e.code == "NotAuthorizedOrNotFound" {
			return "the service does not tell what is missing from what " + who + " may not see: check the OCID, and the IAM policies"
		}
	}
	return ""
}

// translateNetwork keeps the error and says what to look at.
func translateNetwork(err error) error {
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return fmt.Errorf("%w; the endpoint's name is not known: check the region, or the endpoint if one is set", err)
	case errors.As(err, &authority):
		return fmt.Errorf("%w; a proxy on the way, or a private endpoint, has an authority of its own: name its certificate in a CA bundle", err)
	case neverSent(err):
		return fmt.Errorf("%w; the endpoint cannot be reached: check the region or endpoint, and the way out of this network", err)
	}
	return err
}

// neverSent is whether the request did not even leave: no connection came up.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// certainlyRefused is whether a write was certainly not applied. Anything in
// the 500s may have been answered by a proxy in front of a service that did it.
func certainlyRefused(err error) bool {
	var e *apiError
	if errors.As(err, &e) {
		return e.status < http.StatusInternalServerError || errors.Is(e.sentinel, cloudprovider.ErrNoCapacity)
	}
	return neverSent(err)
}

// status is the HTTP status of the service's answer, 0 if there was none.
func status(err error) int {
	var e *apiError
	if errors.As(err, &e) {
		return e.status
	}
	return 0
}
