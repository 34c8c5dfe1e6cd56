package okesim

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"time"
)

// retryMemory is what a request with an opc-retry-token did. The service remembers it for a day, so that a create whose
// answer was lost can be sent again without making a second pool.
type retryMemory struct {
	body [sha256.Size]byte
	did  *answer
	at   time.Time
}

const retryWindow = 24 * time.Hour

// once runs do, unless the request's token says that it has been run.
func (s *Sim) once(c *call, do func() (*answer, error)) (*answer, error) {
	token := c.Header.Get("opc-retry-token")
	if token == "" {
		return do()
	}
	sum := sha256.Sum256(append([]byte(c.URL.Path+"\n"), c.body...))
	if past, ok := s.retries[token]; ok && time.Since(past.at) < retryWindow {
		if past.body != sum {
			return nil, &Error{http.StatusConflict, "InvalidatedRetryToken", "the opc-retry-token was used for a different request"}
		}
		return past.did, nil
	}
	a, err := do()
	if err == nil {
		maps.DeleteFunc(s.retries, func(_ string, past retryMemory) bool { return time.Since(past.at) >= retryWindow })
		s.retries[token] = retryMemory{body: sum, did: a, at: time.Now()}
	}
	return a, err
}
