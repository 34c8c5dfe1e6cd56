package doctor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/tidemill/tidemill/internal/world"
)

// Kubelets asks the kubelets themselves: /healthz, /configz and /metrics. What
// the API server has of a node is what its kubelet chose to report; this is the
// kubelet's own word.
//
// There are two ways to them. By the API server's proxy it works from anywhere,
// and takes the right on nodes/proxy, which is as good as root on every node
// (it carries exec). Directly it takes nodes/healthz, nodes/configz and
// nodes/metrics alone, which kubelets since 1.33 tell apart (KEP-2862), a way to
// port 10250, and a certificate that the cluster's authority has signed: a token
// is sent to nobody who has not proven to be the kubelet.
//
// A Kubelets keeps what it was told, and each Ask renews the oldest part of it,
// so that a large fleet is asked in turn. It is for one goroutine.
type Kubelets struct {
	// Client sends the requests, URL says where a node's kubelet answers a path.
	Client *http.Client
	URL    func(n *corev1.Node, path string) (string, error)
	// AtOnce is how many nodes one Ask asks at most; 0 means all.
	AtOnce int
	// Parallel is how many requests are under way at a time. Default 32. Timeout
	// bounds one, and Budget all of an Ask. Defaults 3s and 20s.
	Parallel        int
	Timeout, Budget time.Duration

	views map[string]*KubeletView
}

// KubeletView is what a kubelet said when it was last asked.
type KubeletView struct {
	At time.Time
	// Health is the text of /healthz, HealthErr why there is none; Healthy is
	// whether it answered 200.
	Healthy   bool
	Health    string
	HealthErr error
	// Config is /configz by paths of fields; it is shared and not to be changed.
	Config    map[string]string
	ConfigErr error
	sum       [sha256.Size]byte // of Config
	// Metrics is what is used of /metrics, Before the same of the time before.
	Metrics, Before *KubeletMetrics
	MetricsErr      error
	// Starts are when the kubelet was started, as seen by one Ask after the other,
	// oldest first.
	Starts []time.Time
}

// ThroughProxy asks by way of the API server.
func ThroughProxy(config *rest.Config) (*Kubelets, error) {
	client, err := stayingClient(config)
	if err != nil {
		return nil, fmt.Errorf("ask kubelets through the API server: %w", err)
	}
	host, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("ask kubelets through the API server: %w", err)
	}
	return &Kubelets{Client: client, URL: func(n *corev1.Node, path string) (string, error) {
		return host.JoinPath("api/v1/nodes", url.PathEscape(n.Name), "proxy", path).String(), nil
	}}, nil
}

// Directly asks each kubelet at its own address, with the credentials of config
// and its authority. Credentials go to whom that authority has vouched for,
// whatever config says about verification.
func Directly(config *rest.Config) (*Kubelets, error) {
	c := rest.CopyConfig(config)
	c.Insecure, c.ServerName = false, ""
	client, err := stayingClient(c)
	if err != nil {
		return nil, fmt.Errorf("ask kubelets directly: %w", err)
	}
	return &Kubelets{Client: client, URL: kubeletURL}, nil
}

// stayingClient follows nobody who sends it elsewhere: the token is put on every
// request that it makes, and a kubelet that was broken into could send it to a
// place of its own, through the API server too.
func stayingClient(config *rest.Config) (*http.Client, error) {
	shared, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	own := *shared // it may be the whole process's
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own, nil
}

func kubeletURL(n *corev1.Node, path string) (string, error) {
	port := n.Status.DaemonEndpoints.KubeletEndpoint.Port
	if port == 0 {
		port = 10250
	}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP && net.ParseIP(a.Address) != nil {
			return "https://" + net.JoinHostPort(a.Address, strconv.Itoa(int(port))) + path, nil
		}
	}
	return "", errors.New("the Node has no address of type InternalIP")
}

// kubeletsOf are the Nodes that have a kubelet: of those named, with siblings to
// compare with, or all. A pool's first few are enough for a majority.
func kubeletsOf(s *world.Snapshot, names []string) []*corev1.Node {
	var out []*corev1.Node
	for _, pool := range s.Pools {
		if pool.Cloud.Virtual {
			continue
		}
		wanted, siblings := 0, 0
		for _, n := range pool.Nodes {
			if n.Object != nil && slices.Contains(names, n.Object.Name) {
				wanted++
			}
		}
		for _, n := range pool.Nodes {
			switch {
			case n.Object == nil:
			case names == nil || slices.Contains(names, n.Object.Name):
				out = append(out, n.Object)
			case wanted > 0 && siblings < 2*majorityOf && n.Ready():
				siblings++
				out = append(out, n.Object)
			}
		}
	}
	for _, n := range s.Unmanaged {
		if _, virtual := n.Object.Labels[labelVirtual]; !virtual && (names == nil || slices.Contains(names, n.Object.Name)) {
			out = append(out, n.Object)
		}
	}
	return out
}

// keepFor is how long a view is shown that could not be renewed.
const keepFor = 15 * time.Minute

// Ask asks the kubelets that were asked longest ago and gives what is known of
// all, by Node name. Nodes that are gone are forgotten.
func (k *Kubelets) Ask(ctx context.Context, nodes []*corev1.Node, now time.Time) map[string]*KubeletView {
	ctx, cancel := context.WithTimeout(ctx, or(k.Budget, 20*time.Second))
	defer cancel()
	here := map[string]*KubeletView{}
	for _, n := range nodes {
		if v := k.views[n.Name]; v != nil && now.Sub(v.At) < keepFor {
			here[n.Name] = v
		}
	}
	turn := k.turn(nodes, here)
	answers := make([]*KubeletView, len(turn))
	gate := make(chan struct{}, or(k.Parallel, 32))
	var all sync.WaitGroup
	for i, n := range turn {
		all.Go(func() {
			select {
			case gate <- struct{}{}:
			case <-ctx.Done():
				return // it is first with the next Ask
			}
			defer func() { <-gate }()
			answers[i] = k.ask(ctx, n, here[n.Name], now)
		})
	}
	all.Wait()
	for i, v := range answers {
		if v != nil {
			here[turn[i].Name] = v
		}
	}
	k.views = here
	k.share()
	return here
}

// turn is whose turn it is: those asked longest ago, but for half of the places
// those first that were not well. What heals must not wait for the whole fleet.
func (k *Kubelets) turn(nodes []*corev1.Node, views map[string]*KubeletView) []*corev1.Node {
	byAge := slices.Clone(nodes)
	slices.SortStableFunc(byAge, func(a, b *corev1.Node) int { return views[a.Name].at().Compare(views[b.Name].at()) })
	if k.AtOnce <= 0 || len(byAge) <= k.AtOnce {
		return byAge
	}
	var ill, rest []*corev1.Node
	for _, n := range byAge {
		if len(ill) < k.AtOnce/2 && views[n.Name].ill() {
			ill = append(ill, n)
			continue
		}
		rest = append(rest, n)
	}
	return append(ill, rest...)[:k.AtOnce]
}

// ill is whether the last answer speaks against the kubelet.
func (v *KubeletView) ill() bool {
	if v == nil {
		return false
	}
	late := v.Metrics != nil && !v.Metrics.PLEGSeen.IsZero() && v.At.Sub(v.Metrics.PLEGSeen) >= time.Duration(plegLimits.Warn)*time.Second
	return v.HealthErr == nil && !v.Healthy || late
}

func (v *KubeletView) at() time.Time {
	if v == nil {
		return time.Time{}
	}
	return v.At
}

// ask is one kubelet's turn. One that does not answer the first question is not
// asked the others.
func (k *Kubelets) ask(ctx context.Context, n *corev1.Node, before *KubeletView, now time.Time) *KubeletView {
	v := &KubeletView{At: now}
	if before != nil {
		v.Before, v.Starts = before.Metrics, before.Starts
	}
	health, status, err := k.get(ctx, n, "/healthz", 4<<10, nil)
	v.Healthy, v.Health, v.HealthErr = status == http.StatusOK, health, err
	var away *unreachable
	if errors.As(err, &away) {
		v.ConfigErr, v.MetricsErr = err, err
		return v
	}
	config, _, err := k.get(ctx, n, "/configz", maxConfigz, nil)
	if v.ConfigErr = err; err == nil {
		v.Config, v.ConfigErr = parseConfigz([]byte(config))
		v.sum = sumOf(v.Config)
	}
	var m *KubeletMetrics
	_, _, err = k.get(ctx, n, "/metrics", maxMetrics, func(body io.Reader) (err error) {
		m, err = parseKubeletMetrics(body)
		return err
	})
	if v.MetricsErr = err; err == nil {
		v.Metrics, v.Starts = m, started(v.Starts, m.Started)
	}
	return v
}

// started notes a start that is new. What is kept is bounded.
func started(before []time.Time, at time.Time) []time.Time {
	const most = 16
	// The metric is made of two clocks and moves by fractions of a second.
	if len(before) > 0 && at.Sub(before[len(before)-1]).Abs() < 2*time.Second || at.IsZero() {
		return before
	}
	out := append(slices.Clone(before), at)
	return out[max(len(out)-most, 0):]
}

// unreachable is a kubelet to which there is no way, or that says nothing.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return u.err.Error() }

// errForbidden is a refusal, by the API server or the kubelet.
var errForbidden = errors.New("not permitted")

// get asks one question. A body is given to read, or returned up to limit bytes.
// The status is of an answer of the kubelet's own.
func (k *Kubelets) get(ctx context.Context, n *corev1.Node, path string, limit int64, read func(io.Reader) error) (string, int, error) {
	ctx, cancel := context.WithTimeout(ctx, or(k.Timeout, 3*time.Second))
	defer cancel()
	address, err := k.URL(n, path)
	if err != nil {
		return "", 0, &unreachable{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, &unreachable{err}
	}
	req.Header.Set("Accept", "*/*")
	r, err := k.Client.Do(req)
	if err != nil {
		return "", 0, &unreachable{fmt.Errorf("get %s: %w", path, withoutAddress(err))}
	}
	defer r.Body.Close()
	body := io.LimitReader(r.Body, limit+1)
	if r.StatusCode == http.StatusOK && read != nil {
		return "", r.StatusCode, read(body)
	}
	text, err := io.ReadAll(body)
	_, status := statusOf(text)
	switch said := sentence(text); {
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		return "", 0, fmt.Errorf("get %s: %w: %s", path, errForbidden, said)
	case status || r.StatusCode == http.StatusBadGateway || r.StatusCode == http.StatusGatewayTimeout:
		return "", 0, &unreachable{fmt.Errorf("get %s: the API server answers %d: %s", path, r.StatusCode, said)}
	case err != nil:
		return "", 0, &unreachable{fmt.Errorf("get %s: %w", path, err)}
	case int64(len(text)) > limit:
		return "", 0, fmt.Errorf("get %s: the answer has more than %d bytes", path, limit)
	case r.StatusCode != http.StatusOK && path != "/healthz":
		return "", r.StatusCode, fmt.Errorf("get %s: the kubelet answers %d: %s", path, r.StatusCode, said)
	}
	return string(text), r.StatusCode, nil
}

// statusOf is what the API server says in an object of kind Status; false when
// the text is no such object, and then the answer is the kubelet's own.
func statusOf(text []byte) (message string, ok bool) {
	var status struct{ Kind, Message string }
	if err := json.Unmarshal(text, &status); err != nil || status.Kind != "Status" {
		return "", false
	}
	return status.Message, true
}

// sentence is an answer for people: what a Status says, or the text as it is.
func sentence(text []byte) string {
	said := string(text)
	if message, ok := statusOf(text); ok && message != "" {
		said = message
	}
	return strings.TrimSpace(clean(said))
}

// withoutAddress drops the URL that net/http puts before an error: it is long, and
// the finding names the node.
func withoutAddress(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
