package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/internal/world"
)

// Schema names the shape of a Report's JSON. Fields are only ever added to it.
const Schema = "tidemill.dev/doctor/v1"

// Report is one examination.
type Report struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	// Nodes are in order of pool and name.
	Nodes []NodeReport `json:"nodes"`
	// Brakes are the pools whose repair is on.
	Brakes []BrakeReport `json:"brakes,omitempty"`
	// Err is why nobody could be examined; "" otherwise.
	Err string `json:"error,omitempty"`
}

// NodeReport is one node, or machine that has not become one, or host.
type NodeReport struct {
	Node string `json:"node"`
	// Pool is "" for a host and for nodes of no pool.
	Pool string `json:"pool,omitempty"`
	// Release is what the node runs: the kubelet's version and its image; "" when it
	// does not say.
	Release string `json:"release,omitempty"`
	// Verdict is empty for a host and for a machine without a Node.
	Verdict Verdict `json:"verdict,omitzero"`
	// Findings are in the order of the checks.
	Findings []Finding `json:"findings"`
	// Err is why a visit to the node found nothing out; "" when there was none, or
	// it did.
	Err string `json:"error,omitempty"`
	// Repair says what is, or would be, done about it; nil when nothing fails or
	// the pool's repair is off.
	Repair *RepairReport `json:"repair,omitempty"`
}

// RepairReport is a Repair as a value for programs.
type RepairReport struct {
	Act     string       `json:"act"`
	Check   string       `json:"check,omitempty"`
	Reason  RepairReason `json:"reason,omitempty"`
	Message string       `json:"message,omitempty"`
}

// BrakeReport is a Brake as a value for programs.
type BrakeReport struct {
	Pool    string      `json:"pool"`
	Closed  bool        `json:"closed"`
	Reason  BrakeReason `json:"reason"`
	Message string      `json:"message"`
}

// ExamineOptions are what a one-shot examination over the API needs.
type ExamineOptions struct {
	Observer *world.Observer
	// Reader reads the leases; nil means Observer.Reader.
	Reader client.Reader
	Policy Policy
	// Names are whom it is about, by nodes' names or instances' IDs; nil means all.
	// The report is of all in any case, since a node is judged beside the others:
	// only what costs a question for each is asked of these alone.
	Names []string
	// Kubelets are asked too, if set.
	Kubelets *Kubelets
	// Console are nodes, or instances that never became one, whose serial console is
	// read; OnConsole gets what came of it.
	Console   []string
	OnConsole func(map[string]Console)
}

// Examine looks once and changes nothing. An error means that the cluster could
// not be read.
func Examine(ctx context.Context, o ExamineOptions) (Report, error) {
	s, err := o.Observer.Observe(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("examine nodes: %w", err)
	}
	reader := o.Reader
	if reader == nil {
		reader = o.Observer.Reader
	}
	leases, leasesErr := ReadLeases(ctx, reader)
	look := NewLook(s, leases, leasesErr, nil)
	look.Plans = ReadPlans(ctx, o.Observer.Fleet, s)
	look.PodNetworks = ReadPodNetworks(ctx, reader)
	if o.Kubelets != nil {
		look.Kubelets = o.Kubelets.Ask(ctx, kubeletsOf(s, o.Names), s.Now)
	}
	if len(o.Console) > 0 {
		look.Consoles = ReadConsoles(ctx, o.Observer.Fleet, s, o.Console)
		if o.OnConsole != nil {
			o.OnConsole(look.Consoles)
		}
	}
	policy := o.Policy.withDefaults()
	runner := &Runner{Checks: Checks(), Timeout: policy.CheckTimeout, OneShot: true}
	cases := Judge(ctx, look, runner, policy)
	return reportOf(s, cases, Decide(s, cases, Sight{}, policy)), nil
}

func reportOf(s *world.Snapshot, cases []Case, plan Plan) Report {
	r := Report{Schema: Schema, Time: s.Now, Nodes: []NodeReport{}}
	repairs := map[*world.Node]Repair{}
	for _, x := range plan.Repairs {
		repairs[x.Node] = x
	}
	for _, c := range cases {
		n := NodeReport{Node: c.Patient.Name(), Verdict: c.Verdict, Findings: c.Findings}
		if c.Patient.Pool != nil {
			n.Pool = c.Patient.Pool.Name
		}
		if o := c.Patient.Node.Object; o != nil {
			n.Release = strings.TrimSpace(o.Status.NodeInfo.KubeletVersion + " " + o.Status.NodeInfo.OSImage)
		}
		if x, ok := repairs[c.Patient.Node]; ok {
			n.Repair = &RepairReport{x.Act.String(), x.Check, x.Reason, x.Message}
		}
		r.Nodes = append(r.Nodes, n)
	}
	sort.SliceStable(r.Nodes, func(i, j int) bool {
		if a, b := r.Nodes[i].Pool, r.Nodes[j].Pool; a != b {
			return a < b
		}
		return r.Nodes[i].Node < r.Nodes[j].Node
	})
	for _, b := range plan.Brakes {
		r.Brakes = append(r.Brakes, BrakeReport{b.Pool.Name, b.Closed, b.Reason, b.Message})
	}
	return r
}

// Visited adds what a visit found on a node, or why it found nothing.
func (r Report) Visited(node string, findings []Finding, err error) Report {
	nodes := slices.Clone(r.Nodes)
	for i, n := range nodes {
		if n.Node != node {
			continue
		}
		nodes[i].Findings = append(slices.Clone(n.Findings), findings...)
		if err != nil {
			nodes[i].Err = clean(err.Error())
		}
	}
	r.Nodes = nodes
	return r
}

// Only keeps the named nodes, and gives the names that are none.
func (r Report) Only(names ...string) (Report, []string) {
	var kept []NodeReport
	unknown := slices.Clone(names)
	for _, n := range r.Nodes {
		if slices.Contains(names, n.Node) {
			kept = append(kept, n)
			unknown = slices.DeleteFunc(unknown, func(name string) bool { return name == n.Node })
		}
	}
	r.Nodes = kept
	return r, unknown
}

// WriteJSON writes the report for programs, ending in a line break.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Exit codes of the doctor command.
const (
	ExitOK         = 0
	ExitFindings   = 1
	ExitCannotLook = 2
)

// ExitCode is 1 if any finding is at least as urgent as failOn, else 2 if
// nothing at all could be looked at, else 0. failOn Skip or Pass asks for no
// alarm: then findings never count.
func (r Report) ExitCode(failOn State) int {
	looked := false
	for _, n := range r.Nodes {
		if n.Err != "" && failOn.urgency() >= Info.urgency() && Unknown.urgency() >= failOn.urgency() {
			return ExitFindings
		}
		for _, f := range n.Findings {
			if failOn.urgency() >= Info.urgency() && f.State.urgency() >= failOn.urgency() {
				return ExitFindings
			}
			looked = looked || f.State != Unknown && f.State != Skip
		}
	}
	if r.Err != "" || !looked && len(r.Nodes) > 0 {
		return ExitCannotLook
	}
	return ExitOK
}
