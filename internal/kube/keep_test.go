package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/internal/kube"
)

func TestKeepGivesBackWhatWasThere(t *testing.T) {
	for _, before := range []map[string]string{nil, {}, {"a": "b"}, {v1alpha1.AnnotationScaleDownDisabled: "false"}, {v1alpha1.AnnotationScaleDownDisabled: "true"}} {
		n := &corev1.Node{}
		for k, v := range before {
			if n.Annotations == nil {
				n.Annotations = map[string]string{}
			}
			n.Annotations[k] = v
		}
		kube.KeepFromScaleDown(n)
		if kube.KeepFromScaleDown(n) {
			t.Errorf("%v: kept twice", before)
		}
		if n.Annotations[v1alpha1.AnnotationScaleDownDisabled] != "true" {
			t.Errorf("%v: not kept: %v", before, n.Annotations)
		}
		kube.AllowScaleDown(n)
		if diff := cmp.Diff(len(before), len(n.Annotations)); diff != "" {
			t.Errorf("%v: after: %v", before, n.Annotations)
		}
		for k, v := range before {
			if n.Annotations[k] != v {
				t.Errorf("%v: %s is %q", before, k, n.Annotations[k])
			}
		}
	}
}

// What a person sets meanwhile is theirs.
func TestAllowLeavesALaterValue(t *testing.T) {
	n := &corev1.Node{}
	kube.KeepFromScaleDown(n)
	n.Annotations[v1alpha1.AnnotationScaleDownDisabled] = "false"
	kube.AllowScaleDown(n)
	if n.Annotations[v1alpha1.AnnotationScaleDownDisabled] != "false" || len(n.Annotations) != 1 {
		t.Errorf("after: %v", n.Annotations)
	}
}
