package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider"
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
	// Unseen are the resources that could not be read.
	Unseen []UnseenReport `json:"unseen,omitempty"`
	// Err is why nobody could be examined; "" otherwise.
	Err string `json:"error,omitempty"`
}

// NodeReport is one node, or machine that has not become one, or host.
type NodeReport struct {
	Node string `json:"node"`
	// Pool is the Pool's name, or the node pool's where there is no Pool; "" for a
	// host and for nodes of no pool.
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
	// Survey reads what the doctor needs and does without what it may not read. Or
	// else Observer looks at all there is, of which nothing may be missing.
	Survey   *Survey
	Observer *world.Observer
	// Reader reads the leases beside an Observer; nil means Observer.Reader.
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
	look, fleet, err := o.look(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("examine nodes: %w", err)
	}
	s := look.Snapshot
	if o.Kubelets != nil {
		look.Kubelets = o.Kubelets.Ask(ctx, kubeletsOf(s, o.Names), s.Now)
	}
	if len(o.Console) > 0 {
		look.Consoles = ReadConsoles(ctx, fleet, s, o.Console)
		if o.OnConsole != nil {
			o.OnConsole(look.Consoles)
		}
	}
	policy := o.Policy.withDefaults()
	runner := &Runner{Checks: Checks(), Timeout: policy.CheckTimeout, OneShot: true}
	cases := Judge(ctx, look, runner, policy)
	r := reportOf(s, cases, Decide(s, cases, Sight{}, policy))
	r.Unseen = look.Unseen.report(runner.Checks)
	return r, nil
}

// look is by whichever of the two was given.
func (o *ExamineOptions) look(ctx context.Context) (*Look, *cloudprovider.Fleet, error) {
	if o.Survey != nil {
		look, err := o.Survey.Look(ctx)
		return look, o.Survey.Fleet, err
	}
	s, err := o.Observer.Observe(ctx)
	if err != nil {
		return nil, nil, err
	}
	reader := o.Reader
	if reader == nil {
		reader = o.Observer.Reader
	}
	leases, leasesErr := ReadLeases(ctx, reader)
	look := NewLook(s, leases, leasesErr, nil)
	look.Plans = ReadPlans(ctx, o.Observer.Fleet, s)
	look.PodNetworks = ReadPodNetworks(ctx, reader)
	look.Subnets = ReadSubnets(ctx, o.Observer.Fleet, s)
	return look, o.Observer.Fleet, nil
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
			n.Pool = poolName(c.Patient.Pool)
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

// poolName is the Pool's, or where there is none OKE's own for the node pool.
func poolName(p *world.Pool) string {
	if p.Object == nil && p.Cloud.Name != "" {
		return p.Cloud.Name
	}
	return p.Name
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

// WriteJSON writes the report for programs, ending in a line break. It goes node
// by node: of 2,000 nodes the text is larger than all that it tells of.
func (r Report) WriteJSON(w io.Writer) error {
	frame := r
	frame.Nodes = []NodeReport{}
	whole, err := json.MarshalIndent(frame, "", "  ")
	if err != nil {
		return err
	}
	before, after, _ := bytes.Cut(whole, []byte("\n  \"nodes\": []"))
	buf := bufio.NewWriter(w)
	buf.Write(before)
	buf.WriteString("\n  \"nodes\": [")
	for i, n := range r.Nodes {
		one, err := json.MarshalIndent(n, "    ", "  ")
		if err != nil {
			return err
		}
		if i > 0 {
			buf.WriteByte(',')
		}
		buf.WriteString("\n    ")
		buf.Write(one)
	}
	if len(r.Nodes) > 0 {
		buf.WriteString("\n  ")
	}
	buf.WriteByte(']')
	buf.Write(after)
	buf.WriteByte('\n')
	return buf.Flush() // which keeps the first error
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
