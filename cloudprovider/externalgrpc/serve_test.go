package externalgrpc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

func TestDoorsThatStrangersCouldUseStayShut(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:8086":    "others on the network could delete nodes",
		":8086":           "others on the network could delete nodes",
		"10.0.0.7:8086":   "others on the network could delete nodes",
		"unix://relative": "absolute path",
		"nonsense":        "want host:port or unix:///path",
	} {
		if _, err := (Door{Address: address}).Listen(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	if _, err := (Door{Address: "127.0.0.1:0", Cert: "a", Key: "b"}).Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "all three or none") {
		t.Errorf("half a certificate: %v", err)
	}
}

// open serves a plugin at the door until the test ends, and ends cleanly.
func open(t *testing.T, d Door) (net.Listener, cloudprovider.PoolID) {
	t.Helper()
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1})
	p, err := New(Options{Fleet: cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}), Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 3}}}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, l, d) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l, id
}

// sizeVia dials as cluster-autoscaler does and asks until the plugin has looked.
func sizeVia(t *testing.T, address string, creds credentials.TransportCredentials, id cloudprovider.PoolID) error {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err = wire.NewCloudProviderClient(conn).NodeGroupTargetSize(ctx, &wire.NodeGroupTargetSizeRequest{Id: string(id)})
		if err == nil || !strings.Contains(err.Error(), "has not been read yet") {
			break
		}
	}
	if err == nil {
		_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	}
	return err
}

func TestServeOnAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	// What a dead process left is no obstacle; a living one is.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	door := Door{Address: "unix://" + path}
	_, id := open(t, door)
	if err := sizeVia(t, door.Address, insecure.NewCredentials(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := door.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "another process answers") {
		t.Errorf("second listener: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket %v, %v", info, err)
	}
}

func TestServeOverMutualTLS(t *testing.T) {
	dir := t.TempDir()
	ours, strangers := newAuthority(t, "ours"), newAuthority(t, "strangers")
	door := Door{Address: "127.0.0.1:0", Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CACert: filepath.Join(dir, "ca.crt")}
	write := func(path string, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put := func(a *authority) {
		cert, key := a.issue(t, "127.0.0.1")
		write(door.Cert, cert)
		write(door.Key, key)
		write(door.CACert, a.pem)
	}
	put(ours)
	l, id := open(t, door)
	as := func(client, server *authority) credentials.TransportCredentials {
		c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
		c.RootCAs.AppendCertsFromPEM(server.pem)
		if client != nil {
			pair, err := tls.X509KeyPair(client.issue(t, "cluster-autoscaler"))
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		return credentials.NewTLS(c)
	}
	address := l.Addr().String()
	if err := sizeVia(t, address, as(ours, ours), id); err != nil {
		t.Fatalf("a client of ours: %v", err)
	}
	for name, creds := range map[string]credentials.TransportCredentials{
		"without a certificate": as(nil, ours), "with a stranger's": as(strangers, ours), "without TLS": insecure.NewCredentials(),
	} {
		if err := sizeVia(t, address, creds, id); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v, want to be shut out", name, err)
		}
	}
	// Renewed on disk, in force at the next connection.
	put(strangers)
	if err := sizeVia(t, address, as(strangers, strangers), id); err != nil {
		t.Errorf("after renewal: %v", err)
	}
	if err := sizeVia(t, address, as(ours, strangers), id); status.Code(err) != codes.Unavailable {
		t.Errorf("the old authority after renewal: %v", err)
	}
}

func TestServeRefusesUnreadableCertificates(t *testing.T) {
	d := Door{Address: "127.0.0.1:0", Cert: "nowhere", Key: "nowhere", CACert: "nowhere"}
	l, err := d.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, _ := one(t, 1, 0, 1)
	if err := s.plugin.Serve(t.Context(), l, d); err == nil || !strings.Contains(err.Error(), "read certificate nowhere") {
		t.Errorf("served: %v", err)
	}
}

func TestCloudConfig(t *testing.T) {
	plain := Door{Address: "unix:///run/t.sock"}.CloudConfig()
	if plain != "address: \"unix:///run/t.sock\"\ngrpc_timeout: 30s\n" {
		t.Errorf("config %q", plain)
	}
	// A door on every address is found by the name in its certificate.
	dir := t.TempDir()
	everywhere := Door{Address: "0.0.0.0:8086", Cert: filepath.Join(dir, "c"), Key: filepath.Join(dir, "k")}
	cert, key := newAuthority(t, "ours").issue(t, "10.0.0.9")
	if err := errors.Join(os.WriteFile(everywhere.Cert, cert, 0o600), os.WriteFile(everywhere.Key, key, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := everywhere.CloudConfig(); !strings.HasPrefix(got, "address: \"10.0.0.9:8086\"\n") {
		t.Errorf("config %q", got)
	}
	secure := Door{Address: "plugin:8086", Cert: "c"}.CloudConfig()
	if !strings.HasPrefix(secure, "address: \"plugin:8086\"\n") {
		t.Errorf("config %q", secure)
	}
	for _, key := range []string{"cert: ", "key: ", "cacert: "} {
		if !strings.Contains(secure, key) {
			t.Errorf("no %q in %q", key, secure)
		}
	}
}

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{c, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) issue(t *testing.T, name string) (cert, private []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(name); ip != nil {
		c.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}
