package doctor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxMetrics bounds a kubelet's /metrics, which has some 300 kB, and a line of it.
const (
	maxMetrics     = 16 << 20
	maxMetricsLine = 64 << 10
)

// KubeletMetrics is what is used of a kubelet's /metrics.
type KubeletMetrics struct {
	// Started is when the process was started, PLEGSeen when it last finished a look
	// at all pods; zero when it does not tell.
	Started, PLEGSeen time.Time
	// Relist is how long such looks took, Runtime how long the runtime's answers
	// did, image pulls left out.
	Relist, Runtime Buckets
	// ClientTTL and ServerTTL are until its certificates run out, NaN when it does
	// not tell; RenewErrors is how often it failed to get the next one.
	ClientTTL, ServerTTL float64
	RenewErrors          float64
}

// Buckets is a histogram: how many were at most so long, in seconds, by the bound.
type Buckets map[float64]float64

// add adds a bucket's count to what is there of other series.
func (b *Buckets) add(le string, n float64) {
	bound, err := strconv.ParseFloat(le, 64)
	if err != nil || math.IsNaN(bound) {
		return
	}
	if *b == nil {
		*b = Buckets{}
	}
	(*b)[bound] += n
}

// since is what came after an earlier reading of the same process.
func (b Buckets) since(before Buckets) Buckets {
	out := Buckets{}
	for le, n := range b {
		out[le] = max(n-before[le], 0)
	}
	return out
}

// quantile is the upper bound of the bucket in which the quantile lies, and of how
// many; +Inf above the last bound.
func (b Buckets) quantile(q float64) (bound, of float64) {
	of = b[math.Inf(1)]
	for _, le := range slices.Sorted(maps.Keys(b)) {
		if of > 0 && b[le] >= q*of {
			return le, of
		}
	}
	return 0, of
}

// parseKubeletMetrics picks its few lines out of many and passes over what it does
// not understand. An answer without the time of the process's start is none.
func parseKubeletMetrics(r io.Reader) (*KubeletMetrics, error) {
	m := &KubeletMetrics{ClientTTL: math.NaN(), ServerTTL: math.NaN()}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 8<<10), maxMetricsLine)
	read := 0
	for lines.Scan() {
		line := lines.Text()
		if read += len(line) + 1; read > maxMetrics {
			return nil, fmt.Errorf("read /metrics: more than %d bytes", maxMetrics)
		}
		if strings.HasPrefix(line, "kubelet_") || strings.HasPrefix(line, "process_start_time_seconds") {
			m.take(line)
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return nil, fmt.Errorf("read /metrics: %w", err)
	case m.Started.IsZero():
		return nil, errors.New("read /metrics: it has no process_start_time_seconds: whoever answered is no kubelet")
	}
	return m, nil
}

func (m *KubeletMetrics) take(line string) {
	name, labels, v, ok := sample(line)
	if !ok {
		return
	}
	switch name {
	case "process_start_time_seconds":
		m.Started = instant(v)
	case "kubelet_pleg_last_seen_seconds":
		m.PLEGSeen = instant(v)
	case "kubelet_pleg_relist_duration_seconds_bucket":
		m.Relist.add(labelIn(labels, "le"), v)
	case "kubelet_runtime_operations_duration_seconds_bucket":
		if labelIn(labels, "operation_type") != "pull_image" {
			m.Runtime.add(labelIn(labels, "le"), v)
		}
	case "kubelet_certificate_manager_client_ttl_seconds":
		m.ClientTTL = v
	case "kubelet_certificate_manager_server_ttl_seconds":
		m.ServerTTL = v
	case "kubelet_certificate_manager_client_expiration_renew_errors", "kubelet_server_expiration_renew_errors":
		m.RenewErrors += v
	}
}

// sample is a line of the text format: name, labels as they stand, value.
func sample(line string) (name, labels string, v float64, ok bool) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return "", "", 0, false
	}
	name, rest := line[:end], line[end:]
	if strings.HasPrefix(rest, "{") {
		shut := strings.LastIndex(rest, "}")
		if shut < 0 {
			return "", "", 0, false
		}
		labels, rest = rest[1:shut], rest[shut+1:]
	}
	f := strings.Fields(rest) // a time may follow the value
	if len(f) == 0 {
		return "", "", 0, false
	}
	v, err := strconv.ParseFloat(f[0], 64)
	return name, labels, v, err == nil
}

// labelIn is a label's value; those that are asked for have no quotes in them.
func labelIn(labels, name string) string {
	_, rest, ok := strings.Cut(","+labels, ","+name+`="`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// instant is a metric's second since 1970, zero if it is none of this age.
func instant(v float64) time.Time {
	if !(v > 1e9 && v < 1e11) {
		return time.Time{}
	}
	return time.UnixMilli(int64(v * 1000))
}
