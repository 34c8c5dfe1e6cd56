package okesim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"
)

// Metadata serves what http://169.254.169.254 answers to the given instance: /opc/v2/instance/..., /opc/v2/vnics/, /opc/v2/identity/...
// with the header that version 2 demands, and the older /opc/v1 without. Its certificate is what the instance principal proves itself with.
// Point the OCI SDK at it by OCI_METADATA_BASE_URL=<url>/opc/v2. The instance's state is read at each request.
func (s *Sim) Metadata(instance string) (http.Handler, error) {
	i, err := s.Instance(instance)
	if err != nil {
		return nil, err
	}
	leaf, err := s.instanceCertificate(i)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, version := range []string{"v1", "v2"} {
		mux.HandleFunc("GET /opc/"+version+"/{path...}", func(w http.ResponseWriter, r *http.Request) {
			if version == "v2" && r.Header.Get("Authorization") != "Bearer Oracle" {
				http.Error(w, "version 2 needs the header Authorization: Bearer Oracle", http.StatusForbidden)
				return
			}
			s.serveMetadata(w, instance, leaf, strings.Trim(r.PathValue("path"), "/"))
		})
	}
	return mux, nil
}

func (s *Sim) serveMetadata(w http.ResponseWriter, instance string, leaf certificate, path string) {
	text, ok := map[string][]byte{"identity/cert.pem": leaf.cert, "identity/key.pem": leaf.key, "identity/intermediate.pem": leaf.issuer}[path]
	if ok {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(text)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.findInstance(instance)
	if err != nil || i.State == stateTerminated {
		http.Error(w, "the instance is gone", http.StatusServiceUnavailable)
		return
	}
	document := map[string]any{"instance": s.metadataOf(i), "vnics": s.metadataVNICs(i)}
	value, ok := descend(document, path)
	switch value := value.(type) {
	case string:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(value))
	default:
		if !ok {
			http.Error(w, "404 page not found", http.StatusNotFound)
			return
		}
		writeJSON(w, http.StatusOK, value)
	}
}

// descend follows a path like "instance/shapeConfig/ocpus" into the document.
func descend(value any, path string) (any, bool) {
	for _, name := range strings.Split(path, "/") {
		fields, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = fields[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

func (s *Sim) metadataOf(i *instance) map[string]any {
	metadata := map[string]any{"oke-pool-id": i.PoolID, "oke-cluster-id": i.ClusterID, "oke-k8version": i.KubernetesVersion, "oke-subnet-label": i.SubnetID}
	for key, value := range i.Metadata {
		metadata[key] = value
	}
	_, adName, _ := strings.Cut(i.AvailabilityDomain, ":")
	return map[string]any{"id": i.ID, "displayName": i.Name, "hostname": i.Name, "compartmentId": i.CompartmentID, "tenantId": s.Tenancy(),
		"availabilityDomain": i.AvailabilityDomain, "ociAdName": strings.ToLower(s.regionKey() + adName[strings.LastIndex(adName, "-AD"):]),
		"faultDomain": i.FaultDomain, "image": i.ImageID, "shape": i.Shape, "state": strings.ToUpper(i.State[:1]) + strings.ToLower(i.State[1:]),
		"region": s.regionKey(), "canonicalRegionName": s.opt.Region, "timeCreated": i.Created.UnixMilli(),
		"shapeConfig":  map[string]any{"ocpus": i.OCPUs, "memoryInGBs": i.MemoryGB, "maxVnicAttachments": vnicsOf(i)},
		"regionInfo":   map[string]any{"realmKey": "oc1", "realmDomainComponent": "oraclecloud.com", "regionKey": strings.ToUpper(s.regionKey()), "regionIdentifier": s.opt.Region},
		"freeformTags": i.tags, "metadata": metadata}
}

func (s *Sim) metadataVNICs(i *instance) []map[string]any {
	var all []map[string]any
	for _, v := range s.vnicsOf(i) {
		all = append(all, map[string]any{"vnicId": v.id, "privateIp": v.ip, "macAddr": v.mac, "vlanTag": v.vlan, "subnetCidrBlock": "10.0.0.0/8", "virtualRouterIp": "10.0.0.1"})
	}
	return all
}

// certificate is a PEM certificate, its key, and the one that issued it.
type certificate struct{ cert, key, issuer []byte }

// instanceCertificate makes the certificate of an instance. Its subject names tenancy, compartment and instance, as the real one's does.
func (s *Sim) instanceCertificate(i Instance) (certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return certificate{}, fmt.Errorf("make instance key: %w", err)
	}
	issuer, err := s.authority()
	if err != nil {
		return certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: i.ID, OrganizationalUnit: []string{"opc-certtype:instance", "opc-instance:" + i.ID, "opc-compartment:" + i.CompartmentID, "opc-tenant:" + s.Tenancy()}},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.ParseIP(i.PrivateIP)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, &key.PublicKey, issuer.key)
	if err != nil {
		return certificate{}, fmt.Errorf("make instance certificate: %w", err)
	}
	return certificate{
		cert:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:    pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		issuer: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.cert.Raw}),
	}, nil
}

// authority is who signs instance certificates, made when first needed.
type authority struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func (s *Sim) authority() (*authority, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.issuer != nil {
		return s.issuer, nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "PKISVC Identity Intermediate " + s.opt.Region},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority: %w", err)
	}
	s.issuer = &authority{cert, key}
	return s.issuer, nil
}
