package scale

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tidemill/tidemill/internal/world"
)

// StatusConfigMap is the ConfigMap in which cluster-autoscaler tells its status,
// and scaling too: what reads it goes on working.
const StatusConfigMap = "cluster-autoscaler-status"

const (
	annotationLastUpdated = "cluster-autoscaler.kubernetes.io/last-updated"
	annotationWriter      = "tidemill.dev/writer"
	lastUpdatedFormat     = "2006-01-02 15:04:05.999999999 -0700 MST"
)

// statusEvery is how often the status is written when nothing in it but the
// time has changed; statusOfOthers is how old another writer's status must be
// before it counts as left behind.
const (
	statusEvery    = time.Minute
	statusOfOthers = 10 * time.Minute
)

// writeStatus keeps the status ConfigMap. One that another autoscaler keeps is
// left to it: two writers would make it useless for both.
func (l *Loop) writeStatus(ctx context.Context, s *world.Snapshot, plan Plan) error {
	if l.StatusName == "" || l.Live == nil || !scales(s) {
		return nil
	}
	var cm corev1.ConfigMap
	key := client.ObjectKey{Namespace: or(l.ConfigNamespace, "kube-system"), Name: l.StatusName}
	err := l.Live.Get(ctx, key, &cm)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return fmt.Errorf("read status ConfigMap: %w", err)
	}
	at, _ := time.Parse(lastUpdatedFormat, cm.Annotations[annotationLastUpdated])
	ours := cm.Annotations[annotationWriter] != ""
	if !missing && !ours && !at.IsZero() && s.Now.Sub(at) < statusOfOthers {
		return nil
	}
	var old caStatus
	_ = yaml.Unmarshal([]byte(cm.Data["status"]), &old) // what cannot be read begins anew
	now := statusOf(s, plan, l.Policy.withDefaults())
	if now.follow(old) && ours && s.Now.Sub(at) < statusEvery {
		return nil
	}
	text, err := yaml.Marshal(now)
	if err != nil {
		return fmt.Errorf("write status ConfigMap: %w", err)
	}
	return l.putStatus(ctx, &cm, key, missing, string(text), s.Now)
}

func (l *Loop) putStatus(ctx context.Context, cm *corev1.ConfigMap, key client.ObjectKey, missing bool, text string, now time.Time) error {
	cm.Namespace, cm.Name = key.Namespace, key.Name
	if cm.Annotations == nil {
		cm.Annotations = map[string]string{}
	}
	cm.Annotations[annotationLastUpdated] = now.UTC().Format(lastUpdatedFormat)
	cm.Annotations[annotationWriter] = "tidemill"
	cm.Data = map[string]string{"status": text}
	var err error
	if missing {
		err = l.Client.Create(ctx, cm)
	} else {
		err = l.Client.Update(ctx, cm)
	}
	if err != nil {
		return fmt.Errorf("write status ConfigMap: %w", err)
	}
	return nil
}

// scales is whether any pool is to be scaled: else there is nothing to tell.
func scales(s *world.Snapshot) bool {
	for _, p := range s.Pools {
		if p.ScaleSpec() != nil {
			return true
		}
	}
	return false
}

// The types are the YAML of cluster-autoscaler 1.30 and later.
type caStatus struct {
	Time             string    `json:"time"`
	AutoscalerStatus string    `json:"autoscalerStatus"`
	Message          string    `json:"message,omitempty"`
	ClusterWide      caGroup   `json:"clusterWide"`
	NodeGroups       []caGroup `json:"nodeGroups,omitempty"`
}

type caGroup struct {
	Name      string      `json:"name,omitempty"`
	Health    caHealth    `json:"health"`
	ScaleUp   caCondition `json:"scaleUp"`
	ScaleDown caCondition `json:"scaleDown"`
}

type caHealth struct {
	Status              string      `json:"status"`
	NodeCounts          caCounts    `json:"nodeCounts"`
	CloudProviderTarget *int        `json:"cloudProviderTarget,omitempty"`
	MinSize             *int        `json:"minSize,omitempty"`
	MaxSize             *int        `json:"maxSize,omitempty"`
	LastProbeTime       metav1.Time `json:"lastProbeTime"`
	LastTransitionTime  metav1.Time `json:"lastTransitionTime"`
}

type caCounts struct {
	Registered       caRegistered `json:"registered"`
	LongUnregistered int          `json:"longUnregistered"`
	Unregistered     int          `json:"unregistered"`
}

type caRegistered struct {
	Total        int       `json:"total"`
	Ready        int       `json:"ready"`
	NotStarted   int       `json:"notStarted"`
	BeingDeleted int       `json:"beingDeleted,omitempty"`
	Unready      caUnready `json:"unready"`
}

type caUnready struct {
	Total           int `json:"total"`
	ResourceUnready int `json:"resourceUnready"`
}

type caCondition struct {
	Status             string      `json:"status"`
	Candidates         *int        `json:"candidates,omitempty"`
	BackoffInfo        *caBackoff  `json:"backoffInfo,omitempty"`
	LastProbeTime      metav1.Time `json:"lastProbeTime"`
	LastTransitionTime metav1.Time `json:"lastTransitionTime"`
}

type caBackoff struct {
	ErrorCode    string `json:"errorCode,omitempty"`
	ErrorMessage string `json:"errorMessage,omitempty"`
}
