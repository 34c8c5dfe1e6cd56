package okesim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"time"
)

// A Principal is who signed a request, as far as a policy may want to know.
type Principal struct {
	Type           string // "user", "instance", "workload"
	ID             string // user or instance OCID; empty for a workload
	Namespace      string // of a workload
	ServiceAccount string // of a workload
	ClusterID      string // of a workload
}

// credential is one key that the emulator accepts.
type credential struct {
	key       *rsa.PublicKey
	principal Principal
	expires   time.Time // zero is never
}

// tokenLife is how long a session token is good for, as the service's are. SDKs renew theirs a while before.
const tokenLife = 20 * time.Minute

// RevokeKey makes a key unknown, as deleting it in the console does.
func (s *Sim) RevokeKey(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, keyID)
}

// KeyIDs lists the keyIds that are accepted now, API keys and session tokens alike.
func (s *Sim) KeyIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(s.keys)
}

// newSession gives a session key a token and returns the token. The caller holds mu.
//
// The token is a JWT in form only, with a random signature: no client can check it, and the emulator knows its tokens by heart.
func (s *Sim) newSession(key *rsa.PublicKey, p Principal) string {
	now := time.Now()
	encode := base64.RawURLEncoding.EncodeToString
	part := func(claims map[string]any) string {
		text, err := json.Marshal(claims)
		if err != nil {
			panic(err) // strings and numbers always encode
		}
		return encode(text)
	}
	claims := map[string]any{"iss": "authService.oracle.com", "iat": now.Unix(), "exp": now.Add(tokenLife).Unix(), "tenant": s.Tenancy(), "res_tenant": s.Tenancy(), "res_compartment": s.Compartment(), "ptype": p.Type}
	for name, value := range map[string]string{"sub": p.ID, "res_ns": p.Namespace, "res_sa": p.ServiceAccount, "res_cluster": p.ClusterID} {
		if value != "" {
			claims[name] = value
		}
	}
	signature := make([]byte, 32)
	_, _ = rand.Read(signature) // never fails
	token := part(map[string]any{"alg": "RS256", "typ": "JWT"}) + "." + part(claims) + "." + encode(signature)
	s.keys["ST$"+token] = credential{key: key, principal: p, expires: now.Add(tokenLife)}
	for id, c := range s.keys {
		if !c.expires.IsZero() && now.After(c.expires) {
			delete(s.keys, id)
		}
	}
	return token
}

// parsePublicKey reads an RSA key that a client sends as PEM, or as PEM without its frame.
func parsePublicKey(text string) (*rsa.PublicKey, error) {
	der, err := unframe(text)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	if key, ok := key.(*rsa.PublicKey); ok {
		return key, nil
	}
	return nil, errInvalid("the session key is not an RSA key")
}

// unframe decodes PEM, or the base64 between its lines.
func unframe(text string) ([]byte, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}
