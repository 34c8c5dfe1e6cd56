package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/beevik/ntp"
)

// Probes are the questions that a host asks of its surroundings. They are the
// only traffic that an examination makes, and it is asked for (--probe): the
// addresses are those of OCI, which elsewhere are nobody's. Each is asked
// three times at most; one answer is enough.
type Probes struct {
	// Metadata is the base of the instance metadata service.
	Metadata string
	// Registry gives the registry's address from the region that the metadata
	// tells; KubeProxy and API are where the node's own proxy and the control
	// plane answer, "" for not known.
	Registry  func(region string) string
	KubeProxy string
	API       string
	// Names are looked up in turn by every server of the host's resolv.conf.
	Names []string
	// NTP is the time server.
	NTP string

	Client *http.Client
	// Resolver asks one name server for a name; Offset one time server how far the
	// clock is off.
	Resolver func(ctx context.Context, server, name string) error
	Offset   func(ctx context.Context, server string) (time.Duration, error)
}

// tries is how often a probe asks before it says no: a single lost packet is
// no finding.
const tries = 3

// NewProbes asks OCI's own addresses. The API server's certificate is not
// verified, since nothing is believed that it says: that it answers is all that
// is looked at.
func NewProbes() *Probes {
	p := &Probes{
		Metadata:  "http://169.254.169.254/opc/v2",
		Registry:  func(region string) string { return "https://" + region + ".ocir.io/v2/" },
		KubeProxy: "http://127.0.0.1:10256/livez",
		Names:     []string{"iaas.%s.oraclecloud.com"},
		NTP:       "169.254.169.254",
		Client: &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
			DisableKeepAlives: true, Proxy: nil, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		}},
		Resolver: lookUp, Offset: offset,
	}
	if host := os.Getenv("KUBERNETES_SERVICE_HOST"); host != "" {
		p.API = "https://" + net.JoinHostPort(host, os.Getenv("KUBERNETES_SERVICE_PORT")) + "/livez"
	}
	return p
}

// lookUp asks one name server, and not the one that happens to be first.
func lookUp(ctx context.Context, server, name string) error {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	_, err := r.LookupHost(ctx, name)
	return err
}

func offset(ctx context.Context, server string) (time.Duration, error) {
	wait := 2 * time.Second
	if at, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(at))
	}
	r, err := ntp.QueryWithOptions(server, ntp.QueryOptions{Timeout: wait})
	if err != nil {
		return 0, err
	}
	return r.ClockOffset, r.Validate()
}

// inCloud is whether the host is an instance of OCI, as its firmware says.
func (h *Host) inCloud() (bool, error) {
	tag, err := h.line("sys/class/dmi/id/chassis_asset_tag")
	if h.lacks(err, "sys/class") {
		return false, nil
	}
	return tag == "OracleCloud.com", err
}

// probing is what all probes ask first: may they, and does it make sense here.
func probing(run func(ctx context.Context, p Patient, q *Probes) Finding) func(context.Context, Patient) Finding {
	return func(ctx context.Context, p Patient) Finding {
		here, err := p.Host.inCloud()
		switch {
		case err != nil:
			return unreadable("the host's firmware", err)
		case !here:
			return skip(ReasonNotApplicable, "the host is no instance of OCI")
		case p.Host.Probes == nil:
			return skip(ReasonNotAsked, "nothing is sent without --probe")
		}
		return run(ctx, p, p.Host.Probes)
	}
}

// ReasonNotAsked says that the check does more than read, and nobody asked for it.
const ReasonNotAsked = "NotAsked"

// get asks until somebody answers, with the answer's status, what it said (the
// first 256 bytes) and how long the answer took.
func (q *Probes) get(ctx context.Context, url string, header http.Header) (status int, body string, took time.Duration, err error) {
	for range tries {
		began := time.Now()
		status, body, err = q.once(ctx, url, header)
		if took = time.Since(began); err == nil && status < 500 || ctx.Err() != nil {
			return status, body, took, err
		}
	}
	return status, body, took, err
}

func (q *Probes) once(ctx context.Context, url string, header http.Header) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header = header.Clone()
	r, err := q.Client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	var buf [256]byte
	n, _ := r.Body.Read(buf[:]) // a body that breaks off is an answer too
	return r.StatusCode, string(buf[:n]), nil
}

// oracle is the header without which the metadata service does not answer.
var oracle = http.Header{"Authorization": {"Bearer Oracle"}}

// region is what the metadata service calls this region, "us-ashburn-1".
func (q *Probes) region(ctx context.Context) (string, error) {
	status, body, _, err := q.get(ctx, q.Metadata+"/instance/canonicalRegionName", oracle)
	region := strings.TrimSpace(body)
	switch {
	case err != nil:
		return "", fmt.Errorf("ask the metadata service for the region: %w", err)
	case status != http.StatusOK || region == "" || strings.ContainsFunc(region, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }):
		return "", fmt.Errorf("ask the metadata service for the region: it answers %d, %.40q", status, region)
	}
	return region, nil
}

// untrusted is whether a TLS server answered with a certificate that is not
// known here: somebody is there.
func untrusted(err error) bool {
	var unknown x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &unknown) || errors.As(err, &verify)
}

// nameservers are those of the host's resolv.conf, three at most as in libc.
func (h *Host) nameservers() ([]string, error) {
	data, err := h.read("etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "nameserver" && net.ParseIP(f[1]) != nil && !slices.Contains(out, f[1]) {
			out = append(out, f[1])
		}
	}
	return out[:min(len(out), 3)], nil
}

// inHostNetwork is whether this process stands in the network of the host: they
// then have the same devices.
func (h *Host) inHostNetwork() (bool, error) {
	host, err := h.devices("proc/1/net/dev")
	if err != nil {
		return false, err
	}
	own, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return false, err
	}
	return slices.Equal(host, devicesOf(string(own))), nil
}

func (h *Host) devices(path string) ([]string, error) {
	data, err := h.read(path)
	return devicesOf(string(data)), err
}

func devicesOf(table string) []string {
	var out []string
	for _, line := range strings.Split(table, "\n") {
		if name, _, ok := strings.Cut(line, ":"); ok {
			out = append(out, strings.TrimSpace(name))
		}
	}
	slices.Sort(out)
	return out
}
