package oke

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

// newHTTPClient is the way to OCI: the environment's proxy (HTTPS_PROXY and
// NO_PROXY), and the system's authorities with those of a bundle beside them.
//
// Reads, writes and Compute get a client each, so that none waits for another's
// connections.
func newHTTPClient(o Options) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = exceptLinkLocal(http.ProxyFromEnvironment)
	t.MaxIdleConnsPerHost = 2 * readers
	t.ResponseHeaderTimeout = time.Minute
	bundle := o.CABundle
	for _, name := range []string{"OCI_CLI_CERT_BUNDLE", "OCI_DEFAULT_CERTS_PATH"} {
		if bundle == "" {
			bundle = o.Env(name)
		}
	}
	if bundle != "" {
		roots, err := authorities(bundle)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t}, nil
}

// authorities are the system's and those of a file.
func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA bundle: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // an image without any: the bundle has to do
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read CA bundle %s: %w: there is no certificate in PEM form in it", file, cloudprovider.ErrInvalid)
	}
	return roots, nil
}

// exceptLinkLocal keeps the metadata service's address from the proxy: HTTP_PROXY
// set for the pod's other traffic would send the machine's key that way.
func exceptLinkLocal(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if ip := net.ParseIP(r.URL.Hostname()); ip != nil && ip.IsLinkLocalUnicast() {
			return nil, nil
		}
		return proxy(r)
	}
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || (u.Path != "" && u.Path != "/") || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("use endpoint %q: %w: it must be scheme and host alone, like https://127.0.0.1:8443", endpoint, cloudprovider.ErrInvalid)
	}
	return nil
}
