package cycle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/world"
)

// A gate is asked anew when its answer is so old, and given so long to answer.
const (
	askEvery   = 15 * time.Second
	askTimeout = 5 * time.Second
	answerMax  = 1 << 20
)

// ask brings the answers of the gates that servers give up to date, for pools
// with a run under way. All are asked at once, so that one server that hangs
// delays a turn by its timeout and no more.
func (l *Loop) ask(ctx context.Context, s *world.Snapshot) {
	wanted := map[GateKey]v1alpha1.CycleGate{}
	for _, p := range s.Pools {
		spec := p.CycleSpec()
		if p.Run() == nil || spec == nil || p.Paused() {
			continue
		}
		for _, g := range spec.Gates {
			if g.Prometheus != nil || g.HTTP != nil {
				wanted[GateKey{p.Name, g.Name}] = g
			}
		}
	}
	for key := range l.gates {
		if _, ok := wanted[key]; !ok {
			delete(l.gates, key)
		}
	}
	var due []GateKey
	for key := range wanted {
		if a, ok := l.gates[key]; !ok || time.Since(a.At) >= askEvery {
			due = append(due, key)
		}
	}
	answers := make([]GateAnswer, len(due))
	var wait sync.WaitGroup
	for i, key := range due {
		wait.Go(func() { answers[i] = l.askOne(ctx, wanted[key]) })
	}
	wait.Wait()
	for i, key := range due {
		l.gates[key] = answers[i]
	}
}

func (l *Loop) askOne(ctx context.Context, g v1alpha1.CycleGate) GateAnswer {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client := l.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	check := probe
	if g.Prometheus != nil {
		check = query
	}
	err := check(ctx, client, g)
	answer := GateAnswer{Open: err == nil, At: time.Now()}
	if err != nil {
		answer.Message = err.Error()
	}
	return answer
}

// get reads at most the first mebibyte of what a server answers.
func get(ctx context.Context, client *http.Client, address string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	return response.StatusCode, body, err
}

// probe is nil if a server answers as the gate wants.
func probe(ctx context.Context, client *http.Client, g v1alpha1.CycleGate) error {
	status, body, err := get(ctx, client, g.HTTP.URL)
	if err != nil {
		return err
	}
	want := http.StatusOK
	if s := g.HTTP.Status; s != nil {
		want = int(*s)
	}
	if status != want {
		return fmt.Errorf("%s answers %d and not %d", g.HTTP.URL, status, want)
	}
	match, err := regexp.Compile(g.HTTP.Body)
	if err != nil {
		return fmt.Errorf("read expression for the body: %w", err)
	}
	if !match.Match(body) {
		return fmt.Errorf("%s answers %d, and %q does not match", g.HTTP.URL, status, g.HTTP.Body)
	}
	return nil
}

// query is nil if the query has samples and none of them is 0.
func query(ctx context.Context, client *http.Client, g v1alpha1.CycleGate) error {
	address := strings.TrimSuffix(g.Prometheus.URL, "/") + "/api/v1/query?query=" + url.QueryEscape(g.Prometheus.Query)
	status, body, err := get(ctx, client, address)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s answers %d: %s", g.Prometheus.URL, status, answer.Error)
	}
	values, err := samples(answer.Data.ResultType, answer.Data.Result)
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", g.Prometheus.URL, err)
	}
	if len(values) == 0 {
		return fmt.Errorf("query %q has no samples", g.Prometheus.Query)
	}
	for _, v := range values {
		if v == 0 || v != v {
			return fmt.Errorf("query %q gives %v", g.Prometheus.Query, v)
		}
	}
	return nil
}

// samples are the values of an instant query: [time, "value"] alone, or one in
// each series.
func samples(kind string, result json.RawMessage) ([]float64, error) {
	var series []struct{ Value [2]any }
	switch kind {
	case "scalar":
		var one [2]any
		if err := json.Unmarshal(result, &one); err != nil {
			return nil, err
		}
		series = append(series, struct{ Value [2]any }{one})
	case "vector":
		if err := json.Unmarshal(result, &series); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("a result of type %q, want a scalar or a vector", kind)
	}
	var out []float64
	for _, s := range series {
		text, _ := s.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
