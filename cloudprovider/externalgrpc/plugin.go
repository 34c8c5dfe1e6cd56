package externalgrpc

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// Options configure a [Plugin].
type Options struct {
	Fleet     *cloudprovider.Fleet
	Selection Selection
	// Cluster is the way to the API server; nil if there is none. Without it the
	// plugin does not see Pool objects, marks and registered nodes.
	Cluster *Cluster
	// Interval is the wait between two looks at the cloud; 0 means 30 seconds.
	Interval time.Duration
	// GPULabel is the label by whose presence the client knows a node with GPUs.
	GPULabel string
	// Log gets what the plugin says; nil drops it.
	Log *slog.Logger
	// Looked, if set, is told of each look, for whoever else needs one: the cloud
	// is read once.
	Looked func(context.Context, cloudprovider.Cloud)
	// Registerer makes the plugin's metrics visible; nil keeps them to itself.
	Registerer prometheus.Registerer
}

// Plugin answers the calls of cluster-autoscaler. [Plugin.Run] must be running
// for it to know anything. It is safe for concurrent use.
type Plugin struct {
	wire.UnimplementedCloudProviderServer // what a future protocol adds

	options  Options
	log      *slog.Logger
	metrics  *metrics
	spelling spelling
	kick     chan struct{}
	view     atomic.Pointer[view] // nil before the first good look

	mu      sync.Mutex // guards the fields below
	cloud   cloudprovider.Cloud
	cluster clusterLook
	writes  map[cloudprovider.PoolID]*writing
	told    map[string]bool // what is said once
}

// writing is what is known of the writes to a pool.
type writing struct {
	turn chan struct{} // capacity 1; full while a write is under way
	done int           // how many have ended
}

// New makes a plugin. Nothing is looked at yet.
func New(o Options) (*Plugin, error) {
	if o.Fleet == nil {
		return nil, errors.New("make plugin: no fleet")
	}
	if o.Selection.Empty() {
		return nil, errors.New("make plugin: no pools are selected")
	}
	if o.Interval <= 0 {
		o.Interval = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Plugin{options: o, log: o.Log, kick: make(chan struct{}, 1), writes: map[cloudprovider.PoolID]*writing{}}
	m, err := newMetrics(o.Registerer, p.dataAge)
	p.metrics = m
	return p, err
}

// impatient is the wait between two looks while there was no good one: until
// then every call is refused.
const impatient = 2 * time.Second

// Run looks at the cloud and the cluster until ctx ends: at once, then each
// interval, and soon after each write.
func (p *Plugin) Run(ctx context.Context) error {
	timer := time.NewTimer(p.options.Interval)
	defer timer.Stop()
	for {
		p.look(ctx)
		wait := p.options.Interval
		if !p.Ready() {
			wait = min(wait, impatient)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-p.kick:
		}
	}
}

// Ready is whether there was a good look: before it, every call is refused.
func (p *Plugin) Ready() bool { return p.view.Load() != nil }

// look takes in both sides as far as they answer. What does not answer keeps
// its last good state.
func (p *Plugin) look(ctx context.Context) {
	p.mu.Lock()
	began := map[cloudprovider.PoolID]int{}
	for id, w := range p.writes {
		began[id] = w.done
	}
	p.mu.Unlock()

	cloud := p.options.Fleet.Observe(ctx)
	cluster, err := p.options.Cluster.look(ctx, cloud)
	if ctx.Err() != nil {
		return
	}
	if p.options.Looked != nil {
		p.options.Looked(ctx, cloud)
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case cloud.Err != nil && !p.Ready():
		p.log.Warn("the cloud does not answer, and calls are refused until it does", "error", cloud.Err)
	case cloud.Err != nil:
		p.log.Warn("the cloud does not answer, the last good look serves on", "observed", p.cloud.Observed, "error", cloud.Err)
	default:
		p.cloud = merge(p.cloud, cloud, func(id cloudprovider.PoolID) bool {
			w := p.writes[id]
			return w != nil && w.done != began[id]
		})
	}
	if err != nil {
		p.log.Warn("the cluster does not answer, the last good look serves on", "error", err)
	} else {
		p.cluster = cluster.learn(p.cluster, p.cloud, time.Now())
	}
	p.show()
}

// show makes the view that reads are answered from. The caller holds mu.
func (p *Plugin) show() {
	if p.cloud.Observed.IsZero() {
		return
	}
	for _, id := range p.cluster.providerIDs {
		p.spelling.learn(id)
	}
	v := build(p.cloud, p.cluster, p.options.Selection)
	p.spelling.forget(func(id cloudprovider.InstanceID) bool { _, ok := v.byInstance[id]; return ok })
	old := p.view.Swap(v)
	p.metrics.groups.Set(float64(len(v.groups)))
	if old == nil || !maps.EqualFunc(old.byID, v.byID, func(a, b *group) bool { return a.bounds == b.bounds }) {
		p.log.Info("groups", "groups", v.groups)
	}
	for id := range p.writes {
		if _, there := v.byID[id]; !there && len(p.writes[id].turn) == 0 {
			delete(p.writes, id)
		}
	}
}

// soon makes the next look come at once.
func (p *Plugin) soon() {
	select {
	case p.kick <- struct{}{}:
	default: // one is on its way
	}
}

// once is whether something is to be told for the first time. What a long life
// has gathered is forgotten together: a thing told twice is no harm.
func (p *Plugin) once(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told[what] {
		return false
	}
	if p.told == nil || len(p.told) >= 1000 {
		p.told = map[string]bool{}
	}
	p.told[what] = true
	return true
}

func (p *Plugin) dataAge() float64 {
	if v := p.view.Load(); v != nil {
		return time.Since(v.observed).Seconds()
	}
	return 0
}
