package cycle

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cycle/drain"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/world"
)

// Loop carries out what Decide says. Its fields are set before Run and not
// changed afterwards; one Loop runs in the whole cluster.
type Loop struct {
	// Client writes, and may read from a cache.
	Client client.Client
	// Live reads past any cache: it is asked before what cannot be undone.
	Live client.Reader
	// Clientset lists and evicts pods.
	Clientset kubernetes.Interface
	Observer  *world.Observer
	Fleet     *cloudprovider.Fleet
	Events    events.EventRecorder
	Log       *slog.Logger
	Policy    Policy
	// HTTP asks the servers of gates; nil means http.DefaultClient.
	HTTP *http.Client
	// Interval between looks; 0 means 10 s. Wake, if set, brings the next look
	// forward.
	Interval time.Duration
	Wake     <-chan struct{}

	since   time.Time // the first look, or the first after a while of none
	ended   time.Time // when the last turn that had seen something ended
	drainer *drain.Drainer
	drains  map[types.UID]drain.Progress
	known   map[cloudprovider.PoolID]*known
	gates   map[GateKey]GateAnswer
	said    map[string]string // what was said of a pod or node last, to say it once
	metrics *metrics
}

const defaultInterval = 10 * time.Second

// blindFor is how long nobody sees anything before what joined meanwhile counts as not
// looked at: several looks in a row, and less than any machine takes to join.
const blindFor = time.Minute

// Run looks, decides and acts until ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	interval := l.Interval
	if interval <= 0 {
		interval = defaultInterval
	}
	for {
		if _, err := l.Once(ctx); err != nil && ctx.Err() == nil {
			l.log().Warn("cycle: look again later", "err", err)
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-l.Wake:
			timer.Stop()
		}
	}
}

// Once is one turn: observe, decide, record, act. The record comes before the
// deeds: whoever finds the pool after a crash has to know what size it had.
//
// The error joins what went wrong; everything that did not depend on it was
// done.
func (l *Loop) Once(ctx context.Context) (Plan, error) {
	l.prepare()
	snapshot, err := l.Observer.Observe(ctx)
	if err != nil {
		return Plan{}, err
	}
	if !l.ended.IsZero() && time.Since(l.ended) > blindFor {
		l.since = time.Now() // the doctor has seen as little as this loop
	}
	defer func() { l.ended = time.Now() }()
	policy := l.Policy
	policy.Since = l.since
	policy.Offers, policy.Drains = l.offers(ctx, snapshot), l.drains
	wiped := l.mend(ctx, snapshot)
	l.learned(snapshot, &policy, wiped)
	l.ask(ctx, snapshot)
	policy.Gates = l.gates
	plan := Decide(snapshot, policy)
	l.metrics.report(plan)

	t := newTurn(l, snapshot, plan)
	var errs []error
	for _, r := range plan.Pools {
		if p := t.pools[r.Pool]; p == nil || !wiped[p.Cloud.ID] {
			errs = append(errs, t.pool(ctx, r))
		}
	}
	errs = append(errs, t.act(ctx, t.steps[""]))
	l.forget(t.draining)
	return plan, errors.Join(errs...)
}

func (l *Loop) prepare() {
	if l.drainer == nil {
		l.since = time.Now()
		l.drainer = drain.New(l.Clientset)
		l.drains = map[types.UID]drain.Progress{}
		l.said = map[string]string{}
		l.known = map[cloudprovider.PoolID]*known{}
		l.gates = map[GateKey]GateAnswer{}
	}
	l.prepareMetrics()
}

// offers looks up what pools can boot that ask for another version.
func (l *Loop) offers(ctx context.Context, s *world.Snapshot) map[cloudprovider.PoolID]Offer {
	out := map[cloudprovider.PoolID]Offer{}
	for _, p := range s.Pools {
		if WantsOffer(p) {
			releases, err := l.Fleet.Releases(ctx, p.Cloud.ID)
			out[p.Cloud.ID] = Offer{Releases: releases, Err: err}
		}
	}
	return out
}

// forget drops what is known of nodes that are not being emptied any more.
func (l *Loop) forget(draining map[types.UID]bool) {
	for uid := range l.drains {
		if !draining[uid] {
			delete(l.drains, uid)
		}
	}
	for key := range l.said {
		if uid, _, _ := strings.Cut(key, "/"); !draining[types.UID(uid)] {
			delete(l.said, key)
		}
	}
	l.drainer.Retain(draining)
}

func (l *Loop) log() *slog.Logger {
	if l.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Log
}

// errLookAgain ends a pool's turn before its steps: the record that belongs to
// them was decided on an older Pool.
var errLookAgain = errors.New("the pool changed meanwhile")

// turn is the carrying out of one plan.
type turn struct {
	*Loop
	snapshot *world.Snapshot
	nodes    map[types.UID]*world.Node
	pools    map[string]*world.Pool
	steps    map[string][]Step // by pool; "" has those of no pool
	draining map[types.UID]bool
	leaving  []*corev1.Pod // of all nodes being emptied; nil until somebody asks
}

func newTurn(l *Loop, s *world.Snapshot, plan Plan) *turn {
	t := &turn{Loop: l, snapshot: s, nodes: map[types.UID]*world.Node{}, pools: map[string]*world.Pool{},
		steps: map[string][]Step{}, draining: map[types.UID]bool{}}
	index := func(nodes []*world.Node) {
		for _, n := range nodes {
			if n.Object != nil {
				t.nodes[n.Object.UID] = n
			}
		}
	}
	for _, p := range s.Pools {
		t.pools[p.Name] = p
		index(p.Nodes)
	}
	index(s.Unmanaged)
	for _, step := range plan.Steps {
		t.steps[step.Pool] = append(t.steps[step.Pool], step)
	}
	return t
}

// pool records and acts for one pool; what goes wrong in it stays in it.
func (t *turn) pool(ctx context.Context, r Report) error {
	steps := t.steps[r.Pool]
	for _, s := range steps {
		if s.Kind != CountJoinFailure {
			continue
		}
		switch err := t.asSeen(ctx, s); {
		case errors.Is(err, errStayed) || changedMeanwhile(err):
			t.since = time.Now() // nobody has looked at what joined until now
			t.log().Info("cycle: not counted as a failed join, for what was seen of it is old", "instance", s.Instance, "err", err)
			return nil
		case err != nil:
			return err
		}
	}
	err := t.record(ctx, r, steps)
	if errors.Is(err, errLookAgain) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.act(ctx, steps)
}

// record writes the pool's status if it changed. When a record belongs to the
// steps and cannot be written, the steps are not taken; a mere report may fail.
func (t *turn) record(ctx context.Context, r Report, steps []Step) error {
	if r.object == nil {
		return nil
	}
	must := reaches(r)
	for _, s := range steps {
		must = must || s.Kind.record()
	}
	s := statusOf(r)
	if !must && stands(s, r.object) {
		return nil
	}
	if r.Cycle == nil && r.object.Status.Cycle != nil {
		if p := t.pools[r.Pool]; p != nil {
			t.knownOf(p.Cloud.ID).ledger.end(r.object.Status.Cycle)
		}
	}
	// Locked always: scaling may have raised the desired size meanwhile, and it
	// must not be overwritten with the one that was read.
	err := kube.ApplyPoolStatus(ctx, t.Client, r.object, v1alpha1.OwnerCycle, &s, true)
	if changedMeanwhile(err) && must {
		return errLookAgain
	}
	if err != nil && must {
		return err
	}
	if err != nil {
		t.log().Debug("cycle: status is written next time", "pool", r.Pool, "err", err)
	}
	return nil
}

// reaches is whether the run asks for a larger size than any before, or orders what
// leads to a smaller one: that is on record first, or the next leader would take it for
// somebody else's.
func reaches(r Report) bool {
	run := r.object.Status.Cycle
	return run != nil && r.Cycle != nil && (r.Cycle.Greatest > run.Greatest || r.Cycle.Least < run.Least)
}

// changedMeanwhile is whether a guard refused a step because what it was
// decided on is not so any more.
func changedMeanwhile(err error) bool {
	return apierrors.IsConflict(err) || errors.Is(err, cloudprovider.ErrConflict)
}

// act carries out a pool's steps in order. A step that fails stops no other:
// each is guarded by what it was decided on.
func (t *turn) act(ctx context.Context, steps []Step) error {
	var errs []error
	risky, confirmed := error(nil), false
	goOn := sync.OnceValue(func() error {
		_, err := t.asAsked(ctx, steps[0].Pool)
		return err
	})
	for _, s := range steps {
		if s.Kind.risky() && !confirmed {
			risky, confirmed = t.confirm(ctx, s.Pool), true
		}
		err := error(nil)
		switch {
		case s.Kind.risky():
			err = risky
		case s.Kind.disturbs():
			err = goOn()
		}
		if err == nil {
			err = t.step(ctx, s)
		}
		if changedMeanwhile(err) {
			// The look was older than the world: nothing happened, and the next look
			// decides anew.
			t.log().Debug("cycle: "+s.String(), "err", err)
			continue
		}
		if err != nil {
			errs = append(errs, err)
			t.log().Info("cycle: "+s.String(), "err", err)
			continue
		}
		if s.Kind != Drain { // said on every tick otherwise
			t.log().Info("cycle: " + s.String())
		}
	}
	return errors.Join(errs...)
}
