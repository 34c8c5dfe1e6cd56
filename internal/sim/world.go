package sim

import (
	crand "crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tidemill/tidemill/internal/okesim"
	"github.com/tidemill/tidemill/internal/sim/model"
)

// Options shape a run; the zero value is a run of everything.
type Options struct {
	Seed uint64
	Tape *Tape // instead of Seed
	// Faults is how long the first phase lasts, in the world's time; 0 lets the tape
	// choose, see span.go. Calm bounds the second one; default 2½ hours.
	Faults, Calm time.Duration
	// Nodes is about how many there are at the start; 0 lets the tape choose.
	Nodes int
	// Wish is what each Pool's author wishes for, or several such with a plus between them;
	// empty lets the tape choose.
	Wish string
	// Habit is what the pods of one app ask of where they run; empty lets the tape choose.
	Habit string
	// Gentle leaves out all faults; what people and workloads do stays.
	Gentle bool
	// Story, if set, replaces what the tape would let people do.
	Story func(*World)
	// Unfenced takes the fence away; Zombies lets processes go on with their loops
	// when they have lost the Lease.
	Unfenced, Zombies bool
	// CrashAt kills the process at its n-th write, counted from 1: before it,
	// after it but before the answer, or after the answer.
	CrashAt int
	Crash   CrashKind
	// StaleAt is an event, counted from 1 over all watches, that is kept from its
	// watch, with all that follow there, until the write UntilWrite has landed, five
	// minutes at most.
	StaleAt, UntilWrite int
	// Credentials is an OCI configuration file; see Credentials.
	Credentials string
	// CRD is the manifest of the Pool resource.
	CRD []byte
	// Trace, if set, is told each step.
	Trace func(string)
	Log   *slog.Logger
}

// CrashKind is when a process dies relative to a write.
type CrashKind int

const (
	// NoCrash is none.
	NoCrash CrashKind = iota
	// CrashBefore: the write is never sent.
	CrashBefore
	// CrashDuring: it is applied, the answer never read.
	CrashDuring
	// CrashAfter: the answer is read, nothing after it happens.
	CrashAfter
)

var crashNames = [...]string{"none", "before", "during", "after"}

func (c CrashKind) String() string {
	if c < 0 || int(c) >= len(crashNames) {
		return "unknown"
	}
	return crashNames[c]
}

// Violation is a promise that was not kept.
type Violation struct {
	Promise, Detail string
	At              time.Duration // since the start of the run
	Step            int
}

func (v *Violation) String() string {
	return fmt.Sprintf("%s: %s (step %d, %s)", v.Promise, v.Detail, v.Step, v.At)
}

// World is everything outside of the daemon, and the driver's book of it.
type World struct {
	opt    Options
	tape   *Tape
	scheme *runtime.Scheme
	api    *model.Server
	cloud  *okesim.Sim
	// cluster is the OKE cluster's OCID, pools its node pools' in order.
	cluster string
	pools   []string

	kubelets map[string]*kubelet // by instance OCID
	order    []string            // their keys, in order of joining
	apps     []*app
	made     int // pods so far

	procs []*process
	lives int
	mix   mix
	span  span

	mu      sync.Mutex // guards the fields below: loops and the cloud's courier write here
	pending []*op
	givenUp []*op // those whose senders wait no more, and have not been let go
	events  []okesim.Event
	failed  *Violation
	stats   stats

	began    time.Time
	step     int
	calm     bool
	calmAt   time.Time
	stir     chan struct{} // capacity 1: there is something for the driver
	ticked   time.Time     // when the world's parts had their last turn
	moved    bool          // something has changed since then
	due      time.Time     // when one of them wants the next
	actor    *op           // whose request is being served
	hash     uint64
	books    books
	harm     harm
	lastReal time.Time // the last write that was more than a heartbeat
	lastWhat string
	heard    time.Time // when a watch last told what it had kept back
	asking   bool      // promise only notes what is amiss
	amiss    bool
	looked   time.Time // when the world was last seen not to be as it should
	writes   int       // of the daemon: what CrashAt counts
	// told is how many events were handed out, seen the writes that each came after.
	told int
	seen []int
	late *feed // whose next event is StaleAt
	// scaled is when the autoscaler of pods last did something, waves how often.
	scaled time.Time
	waves  int
	since  time.Time
	// errands are what somebody will still do, see leavings.go; healed is when the
	// faults ended.
	errands                    []errand
	healed                     time.Time
	led                        time.Time // since when there has been a leader
	uncured, onlooker, surging bool
	// silent is until when the cloud does not answer, slow until when machines take
	// longer to come up; walls are the pools that get no machine.
	silent, slow time.Time
	walls        map[string]wall
	meddlers     map[string]bool      // pools, see occasions.go
	unused       map[string]time.Time // since when a volume is at a node that has no pod for it, by claim
	ambushes     []ambush
	skews        skewed
	gates        gatekeeper
	backedUp     time.Time     // since when a pod is there that holds runs up; zero while none is
	tastes       []string      // what the Pools' authors wish for
	strayed      time.Duration // by how much the clocks of two lives have differed at most
	wall         time.Duration // by how much the clock of the next life's machine is ahead
}

type stats struct {
	ops, writes, events, faults, crashes int
	kinds                                map[string]int
}

func (w *World) violate(promise, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = &Violation{Promise: promise, Detail: fmt.Sprintf(format, args...), At: time.Since(w.began), Step: w.step}
	}
}

func (w *World) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	for i := range len(line) { // FNV-1a
		w.hash = (w.hash ^ uint64(line[i])) * 1099511628211
	}
	if w.opt.Trace != nil {
		w.opt.Trace(fmt.Sprintf("%6d %-10s %s", w.step, time.Since(w.began).Round(time.Millisecond), line))
	}
}

func newWorld(opt Options) (*World, error) {
	if err := errors.Join(checkWish(opt.Wish), checkHabit(opt.Habit)); err != nil {
		return nil, err
	}
	w := &World{opt: opt, tape: opt.Tape, kubelets: map[string]*kubelet{}, walls: map[string]wall{}, meddlers: map[string]bool{}, unused: map[string]time.Time{}, began: time.Now(), hash: 14695981039346656037, stir: make(chan struct{}, 1), moved: true}
	if w.tape == nil {
		w.tape = NewTape(opt.Seed)
	}
	w.stats.kinds = map[string]int{}
	var err error
	if w.scheme, err = newScheme(); err != nil {
		return nil, err
	}
	if w.api, err = model.New(w.scheme, opt.CRD); err != nil {
		return nil, err
	}
	w.books, w.harm = newBooks(), newHarm()
	w.api.OnCommit = w.watchCommit
	w.cloud = okesim.New(okesim.Options{Seed: opt.Seed, OnEvent: w.hear,
		Latency: okesim.Latency{Accept: time.Second, Provision: 10 * time.Second, Boot: 12 * time.Second, Terminate: 8 * time.Second, Register: time.Minute}})
	for _, ns := range []string{"default", "kube-system", "tidemill-system", "kube-node-lease"} {
		w.api.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	return w, nil
}

// hear is the cloud's courier; the driver reads it later.
func (w *World) hear(e okesim.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	w.wakeDriver()
}

// Credentials writes an API key for the emulated cloud, once for many runs, and
// returns the path of an OCI configuration file. Nobody checks the signatures, and
// a short key makes them twenty times as quick; the process needs
// GODEBUG=rsa1024min=0 for it.
func Credentials(dir string) (string, error) {
	key, err := rsa.GenerateKey(crand.Reader, 512)
	if err != nil {
		return "", fmt.Errorf("make api key: %w", err)
	}
	file := filepath.Join(dir, "api_key.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		return "", fmt.Errorf("write api key: %w", err)
	}
	path := filepath.Join(dir, "config")
	text := "[DEFAULT]\nuser=ocid1.user.oc1..sim\nfingerprint=00:00\ntenancy=" + okesim.New(okesim.Options{}).Tenancy() + "\nregion=us-ashburn-1\nkey_file=" + file + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	return path, nil
}

// ReadCRD is the manifest of the Pool resource, from the root of the module.
func ReadCRD(root string) ([]byte, error) {
	return os.ReadFile(root + "/manifests/base/crd/tidemill.dev_pools.yaml")
}
