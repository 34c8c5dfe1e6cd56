package okesim

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The two ways in which a client without an API key gets a session token. Both take the public half of a fresh key and answer with a token
// under which requests signed with that key are accepted; who the client is they learn from a certificate, or from the cluster.

// serveFederation is POST /v1/x509 of the auth service: an instance proves itself with the certificate of its metadata. Tokens are given out
// at the same address as the APIs; the SDK is pointed at it by OCI_SDK_AUTH_CLIENT_REGION_URL.
func (s *Sim) serveFederation(w http.ResponseWriter, r *http.Request) {
	token, err := s.federate(w, r)
	if err != nil {
		writeError(w, err, 0)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": token})
}

func (s *Sim) federate(w http.ResponseWriter, r *http.Request) (token string, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", errUnparsable(err)
	}
	var ask struct {
		Certificate   string   `json:"certificate"`
		PublicKey     string   `json:"publicKey"`
		Intermediates []string `json:"intermediateCertificates"`
		Fingerprint   string   `json:"fingerprintAlgorithm"`
	}
	if err := json.Unmarshal(body, &ask); err != nil {
		return "", errUnparsable(err)
	}
	der, err := unframe(ask.Certificate)
	if err != nil {
		return "", errUnparsable(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return "", errUnparsable(err)
	}
	instance, err := s.trusted(leaf)
	if err != nil {
		return "", err
	}
	if err := s.checkFederationSignature(r, body, leaf); err != nil {
		return "", err
	}
	key, err := parsePublicKey(ask.PublicKey)
	if err != nil {
		return "", errUnparsable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newSession(key, Principal{Type: "instance", ID: instance}), nil
}

// trusted returns the instance that a certificate of this tenancy names.
func (s *Sim) trusted(leaf *x509.Certificate) (instance string, err error) {
	issuer, err := s.authority()
	if err != nil {
		return "", err
	}
	now := time.Now()
	if leaf.CheckSignatureFrom(issuer.cert) != nil || now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return "", errNotAuthenticated("the certificate is not one of an instance of this tenancy")
	}
	for _, unit := range leaf.Subject.OrganizationalUnit {
		if id, ok := strings.CutPrefix(unit, "opc-instance:"); ok {
			if i, err := s.Instance(id); err == nil && i.State != stateTerminated {
				return id, nil
			}
		}
	}
	return "", errNotAuthenticated("the certificate's instance does not exist")
}

// checkFederationSignature demands the signature of the certificate's own key. SDKs leave the host out of this one.
func (s *Sim) checkFederationSignature(r *http.Request, body []byte, leaf *x509.Certificate) error {
	sig, err := parseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(leaf.Raw)
	fingerprint := strings.ToUpper(strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":"))
	if !strings.EqualFold(sig.keyID, s.Tenancy()+"/fed-x509-sha256/"+fingerprint) {
		return errNotAuthenticated("the keyId is not the certificate's fingerprint")
	}
	if err := checkDate(r); err != nil {
		return err
	}
	if err := sig.covers(r, body, false); err != nil {
		return err
	}
	key, ok := leaf.PublicKey.(*rsa.PublicKey)
	if !ok || !sig.by(key, r) {
		return errNotAuthenticated("signature mismatch")
	}
	return nil
}

// A TokenReviewer says which service account of which namespace a bearer token belongs to.
type TokenReviewer func(token string) (namespace, serviceAccount string, err error)

// WorkloadIdentity serves what OKE's proxymux answers inside a cluster: POST /resourcePrincipalSessionTokens, by which a pod's service
// account becomes an OCI principal. Only enhanced clusters have it. The SDK looks for it at https://$KUBERNETES_SERVICE_HOST:12250 and
// trusts the authority in OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH.
func (s *Sim) WorkloadIdentity(cluster string, review TokenReviewer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /resourcePrincipalSessionTokens", func(w http.ResponseWriter, r *http.Request) {
		token, err := s.workloadToken(w, r, cluster, review)
		if err != nil {
			writeError(w, err, 0)
			return
		}
		envelope, err := json.Marshal(map[string]string{"token": "ST$" + token})
		if err != nil {
			writeError(w, err, 0)
			return
		}
		// A JSON string and nothing after it: the SDK takes its first and last byte for the quotes.
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, bytes.NewReader([]byte(`"`+base64.StdEncoding.EncodeToString(envelope)+`"`)))
	})
	return mux
}

func (s *Sim) workloadToken(w http.ResponseWriter, r *http.Request, cluster string, review TokenReviewer) (string, error) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", errNotAuthenticated("no bearer token")
	}
	namespace, account, err := review(bearer)
	if err != nil {
		return "", errNotAuthenticated(err.Error())
	}
	var ask struct {
		PodKey string `json:"podKey"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&ask); err != nil {
		return "", errUnparsable(err)
	}
	key, err := parsePublicKey(ask.PodKey)
	if err != nil {
		return "", errUnparsable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.findCluster(cluster)
	if err != nil {
		return "", err
	}
	if c.Type != "ENHANCED_CLUSTER" {
		return "", &Error{http.StatusForbidden, "NotAllowed", "workload identity is available in enhanced clusters only"}
	}
	return s.newSession(key, Principal{Type: "workload", Namespace: namespace, ServiceAccount: account, ClusterID: cluster}), nil
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
