package playground

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	"sigs.k8s.io/kwok/pkg/apis/v1alpha1"
	kwok "sigs.k8s.io/kwok/pkg/kwok/controllers"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"
)

// A Node is looked after by kwok while it carries this label. Taking the label
// away is what stops its kubelet: kwok's watch sees the Node leave, the lease is
// renewed no more and its pods are left as they are. (kwok can also select by
// annotation, but does not notice an annotation that goes away.) A Node that was
// written into the store and never had a kubelet says so, or it would be given one
// when its machine is looked at next.
const (
	kubeletLabel   = "playground.tidemill.dev/kubelet"
	kubeletRunning = "running"
	kubeletNone    = "none"
)

// podCIDR is where kwok takes pod addresses from: the VCN's pod subnet.
const podCIDR = "10.0.64.0/18"

//go:embed stages/node.yaml stages/pod.yaml
var stageFiles embed.FS

// startKubelets runs kwok as the kubelets of all Nodes.
func (c *Cluster) startKubelets(ctx context.Context) error {
	config, err := c.kubeletConfig()
	if err != nil {
		return fmt.Errorf("start kubelets: %w", err)
	}
	if err := prime(ctx, config.LocalStages); err != nil {
		return fmt.Errorf("start kubelets: %w", err)
	}
	var kubelets *kwok.Controller
	underFault := func(node, fault string) bool { return nodeHasFault(kubelets, node, fault) }
	config.FuncMap = gotpl.FuncMap{
		"KubeletConditions": kubeletConditions,
		"SucceededPod":      succeededPod,
		"StartedPod":        func(pod any) (any, error) { return startedPod(pod, underFault) },
		"NodeHasFault":      underFault,
	}
	if kubelets, err = kwok.NewController(config); err != nil {
		return fmt.Errorf("start kubelets: %w", err)
	}
	level := kwoklog.LevelWarn
	if c.opts.Verbose {
		level = kwoklog.LevelInfo
	}
	ctx = kwoklog.NewContext(ctx, kwoklog.NewLogger(c.log, level))
	if err := kubelets.Start(ctx); err != nil {
		return fmt.Errorf("start kubelets: %w", err)
	}
	return nil
}

func (c *Cluster) kubeletConfig() (kwok.Config, error) {
	stages, err := c.stages()
	if err != nil {
		return kwok.Config{}, err
	}
	client, err := kubernetes.NewForConfig(c.as("kubelet"))
	if err != nil {
		return kwok.Config{}, err
	}
	dyn, err := dynamic.NewForConfig(c.config)
	return kwok.Config{
		ID:                           "kubelet",
		Clock:                        clock.RealClock{},
		DynamicClient:                dyn,
		RESTClient:                   client.Discovery().RESTClient(),
		TypedClient:                  client,
		ManageNodesWithLabelSelector: kubeletLabel + "=" + kubeletRunning,
		CIDR:                         podCIDR,
		LocalStages:                  stages,
		NodePlayStageParallelism:     2,
		PodPlayStageParallelism:      4,
		PodsOnNodeSyncParallelism:    1,
		NodeLeaseParallelism:         2,
		// Renewed every quarter of this. However patient the control plane is, others
		// judge a kubelet by its lease too.
		NodeLeaseDurationSeconds: uint(min(c.opts.NodeMonitorGrace, leaseDuration) / time.Second),
	}, err
}

// leaseDuration is the kubelet's default.
const leaseDuration = 40 * time.Second

// nodeHasFault answers from kwok's own cache of Nodes whether a Node is under a
// fault: a stage of a pod sees the pod only.
func nodeHasFault(kubelets *kwok.Controller, name, fault string) bool {
	node, ok := kubelets.GetNodeCache().Get(name)
	return ok && node.Annotations[faultPrefix+fault] != ""
}

// stages reads the embedded stage files, kind by kind.
func (c *Cluster) stages() (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	byKind := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, file := range []string{"stages/node.yaml", "stages/pod.yaml"} {
		data, err := stageFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		stages, err := parseStages(data)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		for _, s := range stages {
			if s.Name == "node-ready" {
				boot := c.opts.BootDelay.Milliseconds()
				s.Spec.Delay.DurationMilliseconds = &boot
			}
			byKind[s.Spec.ResourceRef] = append(byKind[s.Spec.ResourceRef], s)
		}
	}
	return byKind, nil
}

func parseStages(data []byte) ([]*internalversion.Stage, error) {
	var stages []*internalversion.Stage
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var stage v1alpha1.Stage
		switch err := decoder.Decode(&stage); {
		case errors.Is(err, io.EOF):
			return stages, nil
		case err != nil:
			return nil, err
		}
		internal, err := internalversion.ConvertToInternalStage(&stage)
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", stage.Name, err)
		}
		stages = append(stages, internal)
	}
}
