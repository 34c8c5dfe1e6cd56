package okesim

import (
	"fmt"
	"net/http"
)

// An Error is a refusal of the service: the HTTP status and the body {code, message} that a client gets. Direct callers get it as a Go error.
type Error struct {
	Status  int
	Code    string
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// The codes are the service's documented API errors; NoEtagMatch is the one that no page confirms.

func errInvalid(format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, "InvalidParameter", fmt.Sprintf(format, args...)}
}

func errMissing(field string) *Error {
	return &Error{http.StatusBadRequest, "MissingParameter", field + " must be given"}
}

func errUnparsable(err error) *Error {
	return &Error{http.StatusBadRequest, "CannotParseRequest", "cannot parse request: " + err.Error()}
}

func errLimit(format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, "LimitExceeded", fmt.Sprintf(format, args...)}
}

func errNotFound(kind, id string) *Error {
	return &Error{http.StatusNotFound, "NotAuthorizedOrNotFound",
		fmt.Sprintf("Authorization failed or requested resource not found: %s %q", kind, id)}
}

// errConflict is not transient: the same request will fail again.
func errConflict(format string, args ...any) *Error {
	return &Error{http.StatusConflict, "Conflict", fmt.Sprintf(format, args...)}
}

// errIncorrectState is transient: the same request may pass later.
func errIncorrectState(format string, args ...any) *Error {
	return &Error{http.StatusConflict, "IncorrectState", fmt.Sprintf(format, args...)}
}

func errNoEtagMatch(want, have string) *Error {
	return &Error{http.StatusPreconditionFailed, "NoEtagMatch", fmt.Sprintf("if-match %q does not match the etag %q", want, have)}
}

func errNotAuthenticated(why string) *Error {
	return &Error{http.StatusUnauthorized, "NotAuthenticated",
		"The required information to complete authentication was not provided or was incorrect. (" + why + ")"}
}

// defaultCode is the code of an injected fault that names none.
func defaultCode(status int) (code, message string) {
	switch status {
	case http.StatusTooManyRequests:
		return "TooManyRequests", "User-rate limit exceeded."
	case http.StatusConflict:
		return "IncorrectState", "The resource is in the wrong state."
	case http.StatusInternalServerError:
		return "InternalError", "Internal error occurred."
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable", "The service is temporarily unavailable."
	case http.StatusNotFound:
		return "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found."
	case http.StatusUnauthorized:
		return "NotAuthenticated", "The required information to complete authentication was not provided or was incorrect."
	}
	return http.StatusText(status), http.StatusText(status)
}
