package sim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/oke"
	"github.com/tidemill/tidemill/cycle"
	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/internal/kube"
	"github.com/tidemill/tidemill/internal/sim/model"
	"github.com/tidemill/tidemill/internal/skew"
	"github.com/tidemill/tidemill/internal/world"
	"github.com/tidemill/tidemill/internal/world/lean"
	"github.com/tidemill/tidemill/internal/world/mirror"
	"github.com/tidemill/tidemill/scale"
)

// process is one life of the daemon.
type process struct {
	world  *World
	name   string // "tidemill-3": the identity in the Lease and the user of its requests
	ctx    context.Context
	kill   context.CancelFunc
	leads  context.Context // ends before ctx, when it is asked to go
	term   context.CancelFunc
	frozen time.Time // nothing of it moves before then
	deaf   time.Time // its elections get no answer before then
	meter  skew.Meter
	clock  time.Duration // how far ahead its clock is, as others read it in the Lease
	wall   time.Duration // how far ahead its machine's clock is
	feeds  []*feed
	wake   map[string]chan struct{}
	beats  [4]time.Time // when each loop is woken next; zero while it does not run
}

var loopNames = []string{"mirror", "scale", "cycle", "doctor"}

// start begins a new life.
func (w *World) start() *process {
	w.lives++
	p := &process{world: w, name: fmt.Sprintf("tidemill-%d", w.lives), wake: map[string]chan struct{}{}, clock: w.wall, wall: w.wall}
	w.strayed, w.wall = max(w.strayed, 2*w.wall.Abs()), 0
	p.ctx, p.kill = context.WithCancel(context.Background())
	p.leads, p.term = context.WithCancel(p.ctx)
	for _, n := range loopNames {
		p.wake[n] = make(chan struct{}, 1)
	}
	w.procs = append(w.procs, p)
	go func() {
		defer w.wakeDriver() // for the next life; what its requests wake is the runtime's choice
		defer p.kill()       // whoever stops leading ends
		if err := p.run(); err != nil && p.ctx.Err() == nil {
			w.violate(dead, "process %s ended: %v", p.name, err)
		}
	}()
	return p
}

// clients are the ways into the API server.
type clients struct {
	cache        cache.Cache
	cached, live client.Client
	set          kubernetes.Interface
}

func (p *process) connect(fence *kube.Fence) (clients, error) {
	config := &rest.Config{Host: "http://model", QPS: 100, Burst: 200, UserAgent: "tidemill/sim",
		ContentConfig: rest.ContentConfig{ContentType: runtime.ContentTypeJSON, AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON}}
	config.Transport = p.meter.Wrap(p)
	if fence != nil {
		config.Transport = fence.Wrap(config.Transport)
	}
	var c clients
	h, err := rest.HTTPClientFor(config)
	if err != nil {
		return c, err
	}
	scheme, mapper := p.world.scheme, model.Mapper()
	if c.cache, err = cache.New(config, cache.Options{HTTPClient: h, Scheme: scheme, Mapper: mapper, DefaultTransform: lean.Transform()}); err != nil {
		return c, err
	}
	if c.cached, err = client.New(config, client.Options{HTTPClient: h, Scheme: scheme, Mapper: mapper, Cache: &client.CacheOptions{Reader: c.cache}}); err != nil {
		return c, err
	}
	if c.live, err = client.New(config, client.Options{HTTPClient: h, Scheme: scheme, Mapper: mapper}); err != nil {
		return c, err
	}
	c.set, err = kubernetes.NewForConfigAndClient(config, h)
	return c, err
}

// watched is what the daemon keeps in its cache.
func watched() []client.Object {
	return []client.Object{&corev1.Pod{}, &corev1.Node{}, &v1alpha1.Pool{}, &policyv1.PodDisruptionBudget{}, &appsv1.DaemonSet{}, &corev1.Namespace{},
		&corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}, &storagev1.StorageClass{}, &storagev1.CSINode{}, &storagev1.VolumeAttachment{}, &corev1.Service{}}
}

func (p *process) run() error {
	var fence *kube.Fence
	if !p.world.opt.Unfenced {
		fence = kube.NewFence(kube.FenceOptions{Namespace: "tidemill-system", Lease: "tidemill", Valid: p.world.mix.lease.renew})
	}
	c, err := p.connect(fence)
	if err != nil {
		return err
	}
	for _, o := range watched() {
		if _, err := c.cache.GetInformer(p.ctx, o); err != nil {
			return err
		}
	}
	go func() { _ = c.cache.Start(p.ctx) }()
	if !c.cache.WaitForCacheSync(p.ctx) {
		return p.ctx.Err()
	}
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Namespace: "tidemill-system", Name: "tidemill"},
		Client: c.set.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: p.name}}
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: p.world.mix.lease.duration, RenewDeadline: p.world.mix.lease.renew, RetryPeriod: p.world.mix.lease.retry, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				if p.world.mix.zombies {
					ctx = p.ctx // it does not hear that it lost the Lease
				}
				p.lead(ctx, c, fence)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	elector.Run(p.leads)
	if p.world.mix.zombies {
		select {
		case <-p.ctx.Done():
		case <-time.After(10 * time.Minute):
		}
	}
	return nil
}

// lead runs the loops as the daemon does.
func (p *process) lead(ctx context.Context, c clients, fence *kube.Fence) {
	var guard oke.Guard
	if fence != nil {
		guard = fence.Send
	}
	provider, err := oke.New(ctx, oke.Options{Guard: guard, ConfigFile: p.world.opt.Credentials, Endpoint: "http://oci.model", CompartmentID: p.world.cloud.Compartment(), ClusterID: p.world.cluster,
		HTTPClient: cloudWay{p}, Signer: unsigned{}, Env: func(string) string { return "" }, Random: func() float64 { return 0.5 }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.world.violate(dead, "open the cloud: %v", err)
		return
	}
	fleet := cloudprovider.NewFleet(provider, cloudprovider.FleetOptions{Refresh: 5 * time.Second})
	o := &world.Observer{Clock: &p.meter, Reader: gatedReader{c.cache, p}, Fleet: fleet, ControlPlane: func() string { return "v1.35.0" }}
	tell, log := kube.PlainEvents(recorder{p.world}), slog.New(slog.DiscardHandler)
	if p.world.opt.Log != nil {
		log = p.world.opt.Log.With("process", p.name)
	}
	m := &mirror.Loop{Client: c.cached, Observer: o, Events: tell, Log: log, Interval: interval(0), Wake: p.wake["mirror"]}
	s := &scale.Loop{Client: c.cached, Live: c.live, Observer: o, Fleet: fleet, Events: tell, Log: log, Interval: interval(1), Wake: p.wake["scale"]}
	y := &cycle.Loop{Client: c.cached, Live: c.live, Clientset: c.set, Observer: o, Fleet: fleet, Events: tell, Log: log, Interval: interval(2), Wake: p.wake["cycle"],
		HTTP: &http.Client{Transport: serverWay{p}}}
	d := &doctor.Loop{Client: c.cached, Observer: o, Reader: c.live, Events: tell, Log: log, Interval: interval(3), Wake: p.wake["doctor"]}
	for i, run := range []func(context.Context) error{m.Run, s.Run, y.Run, d.Run} {
		time.Sleep(time.Duration(i) * 7 * time.Millisecond)
		p.beats[i] = time.Now().Add(beat + time.Duration(i)*250*time.Millisecond)
		go p.loop(context.WithValue(ctx, loopName{}, loopNames[i]), loopNames[i], run)
	}
	<-ctx.Done()
}

// interval is how long a loop waits when the driver does not wake it. No two are the same: loops that wake in the same instant would
// ask for the one look at a time in an order that only the runtime knows.
func interval(loop int) time.Duration {
	return ownInterval + time.Duration(loop)*13*time.Millisecond
}

func (p *process) loop(ctx context.Context, name string, run func(context.Context) error) {
	defer func() {
		if r := recover(); r != nil {
			p.world.violate(dead, "loop %s: %v\n%s", name, r, debug.Stack())
		}
	}()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		p.world.violate(dead, "loop %s ended: %v", name, err)
	}
}

// gatedReader makes a look into the cache wait for the driver: what it shows
// then depends on the tape alone.
type gatedReader struct {
	client.Reader
	p *process
}

func (g gatedReader) List(ctx context.Context, l client.ObjectList, opts ...client.ListOption) error {
	switch l.(type) {
	case *v1alpha1.PoolList, *corev1.PodList:
		if _, err := g.p.wait(&op{key: fmt.Sprintf("%s %s LOOK %T", g.p.name, nameOf(ctx), l), ctx: ctx}); err != nil {
			return err
		}
	}
	return g.Reader.List(ctx, l, opts...)
}

// recorder counts events; nothing of them goes over the wire.
type recorder struct{ w *World }

func (r recorder) Eventf(regarding runtime.Object, _ runtime.Object, kind, reason, action, note string, args ...any) {
	if r.w.opt.Trace != nil {
		r.w.opt.Trace(fmt.Sprintf("%6s %-10s says %s: %s", "", time.Since(r.w.began).Round(time.Millisecond), reason, fmt.Sprintf(note, args...)))
	}
	r.w.watchEvent(reason, fmt.Sprintf(note, args...))
	r.w.checkTold(reason, regarding)
	r.w.hearWhy(reason, regarding, fmt.Sprintf(note, args...))
}
