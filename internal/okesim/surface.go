package okesim

import (
	"crypto/rsa"
	"net/http"
)

type pool struct{}
type instance struct{}
type workRequest struct{}
type hostKey struct{ shape, ad string }
type armedFault struct{}
type retryMemory struct{}
type Image struct {
	ID, Name, KubernetesVersion, Arch string
	GPU                               bool
}

func (i *instance) view() Instance                              { return Instance{} }
func (s *Sim) seedImages()                                      {}
func (s *Sim) newHandler() http.Handler                         { return http.NotFoundHandler() }
func (s *Sim) Tenancy() string                                  { return "" }
func (s *Sim) Compartment() string                              { return "" }
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
func (s *Sim) AddCluster(c Cluster) string                      { return "" }
func (s *Sim) AddPool(p Pool) (string, error)                   { return "", nil }
func (s *Sim) DeletePool(id string)                             {}
func (s *Sim) Pool(id string) (PoolView, error)                 { return PoolView{}, nil }
func (s *Sim) UpdatePool(id string, u PoolUpdate, ifMatch string) (workRequestID string, err error) {
	return "", nil
}
func (s *Sim) DeleteNode(poolID, nodeID string, decrement bool, ifMatch string) (workRequestID string, err error) {
	return "", nil
}
func (s *Sim) SetCapacity(shape, ad string, hosts int)                                 {}
func (s *Sim) SetLimit(shape string, n int)                                            {}
func (s *Sim) FailNext(op string, n int, f HTTPFault)                                  {}
func (s *Sim) Calls() map[string]int                                                   { return nil }
func (s *Sim) Instances() []Instance                                                   { return nil }
func (s *Sim) Pools() []PoolView                                                       { return nil }
func (s *Sim) Images() []Image                                                         { return nil }
func (s *Sim) KillInstance(id string)                                                  {}
func (s *Sim) NewCredentials(dir, endpoint string) (configPath string, err error)      { return "", nil }
func (s *Sim) AddKey(keyID string, key *rsa.PublicKey)                                 {}
func SelfSigned(dir string) (certFile, keyFile string, err error)                      { return "", "", nil }
