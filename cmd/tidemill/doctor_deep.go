package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/doctor"
	"github.com/tidemill/tidemill/doctor/bundle"
	"github.com/tidemill/tidemill/doctor/deep"
)

// deepFlags are those of a visit to nodes.
type deepFlags struct {
	deep             bool
	image, privilege string
	namespace, from  string
	parallel         int
	timeout          time.Duration
	bundle           string
}

func (f *deepFlags) register(s *pflag.FlagSet) {
	s.BoolVar(&f.deep, "deep", false, "look into the named nodes too, by a short-lived pod on each")
	s.StringVar(&f.privilege, "privilege", "read", "what a --deep pod may see: read (files), log (kernel's log, certificates, host network), runtime (its socket too), full (Oracle's script too)")
	s.StringVar(&f.image, "image", "", "image of the --deep pods (default: the running daemon's)")
	s.StringVar(&f.namespace, "deep-namespace", deep.DefaultNamespace, "namespace of the --deep pods; it must admit privileged ones, as manifests/overlays/doctor makes it")
	s.StringVar(&f.from, "daemon-namespace", ownNamespace(), "namespace of the daemon whose image is used")
	s.IntVar(&f.parallel, "parallel", 10, "how many nodes are visited at a time")
	s.DurationVar(&f.timeout, "visit-timeout", 2*time.Minute, "how long a visit may take")
	s.StringVar(&f.bundle, "bundle", "", "`directory` that gets an archive of each named node, for a support case")
}

func (f *deepFlags) check(names []string) error {
	if _, err := deep.ParsePrivilege(f.privilege); err != nil {
		return usage(err)
	}
	if (f.deep || f.bundle != "") && len(names) == 0 {
		return usage(errors.New("--deep and --bundle need the names of nodes"), "kubectl get nodes lists them")
	}
	return nil
}

// visit looks into the named nodes and adds what it finds to the report. It
// fails when no node at all could be visited.
func (g *globals) visit(ctx context.Context, f deepFlags, config *rest.Config, r doctor.Report, names []string) (doctor.Report, []deep.Visit, error) {
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return r, nil, blind(err)
	}
	privilege, err := deep.ParsePrivilege(f.privilege)
	if err != nil {
		return r, nil, usage(err)
	}
	if f.image == "" {
		if f.image, err = deep.RunningImage(ctx, set, f.from); err != nil {
			return r, nil, blind(err, "--image names one that has tidemill as its entrypoint")
		}
	}
	// A machine that never became a Node has nothing to put a pod on.
	nodes, _, err := deep.Nodes(ctx, set, names)
	if err != nil {
		return r, nil, err
	}
	visits, err := deep.Examine(ctx, deep.Options{Client: set, Namespace: f.namespace, Image: f.image, Privilege: privilege, Parallel: f.parallel,
		Timeout: f.timeout, Files: f.bundle != ""}, nodes)
	if err != nil {
		return r, nil, err
	}
	if err := ctx.Err(); err != nil {
		return r, nil, blind(fmt.Errorf("visit nodes: %w", err)) // half a look is no verdict
	}
	refused := 0
	for _, v := range visits {
		r = r.Visited(v.Node, v.Findings, v.Err)
		if errors.Is(v.Err, deep.ErrRefused) {
			refused++
		}
	}
	if refused == len(visits) && refused > 0 {
		return r, visits, blind(visits[0].Err, "kubectl apply -k manifests/overlays/doctor makes the namespace "+f.namespace+", and lists the rights that a visitor needs")
	}
	return r, visits, nil
}

// pack writes an archive of each named node: what the report says of it, the
// Node, and its host's files if there was a visit.
func (g *globals) pack(ctx context.Context, f *doctorFlags, c *cluster, r doctor.Report, visits []deep.Visit) error {
	redactor := bundle.NewRedactor()
	for _, n := range r.Nodes {
		one := r
		one.Nodes, one.Brakes = []doctor.NodeReport{n}, nil
		files := []bundle.File{reportFile(one), g.nodeFile(ctx, c, n.Node)}
		if i := slices.IndexFunc(visits, func(v deep.Visit) bool { return v.Node == n.Node }); i >= 0 {
			files = append(files, visits[i].Files...)
		}
		files = append(files, f.ask.consoleFile(n.Node)...)
		if err := g.writeBundle(f.bundle, n.Node, redactor, files); err != nil {
			return err
		}
	}
	return nil
}

// nodeFile is the Node as the API has it, without who wrote what, and without
// annotations: anybody may keep anything in those.
func (g *globals) nodeFile(ctx context.Context, c *cluster, name string) bundle.File {
	f := bundle.File{Name: "cluster/node.yaml"}
	set, err := kubernetes.NewForConfig(c.config)
	if err != nil {
		f.Err = err.Error()
		return f
	}
	found, _, err := deep.Nodes(ctx, set, []string{name})
	if err != nil || len(found) == 0 {
		f.Err = strings.TrimPrefix(fmt.Sprintf("the API server has no such Node: %v", err), ": <nil>")
		return f
	}
	n := found[0]
	n.ManagedFields, n.Annotations = nil, nil
	n.TypeMeta.Kind, n.TypeMeta.APIVersion = "Node", corev1.SchemeGroupVersion.String()
	if f.Data, err = yaml.Marshal(n); err != nil {
		f.Err = err.Error()
	}
	return f
}
