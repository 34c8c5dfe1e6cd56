package whatif

import (
	"strings"
	"testing"

	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const training = `
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec: {selectors: [{cel: {expression: 'device.driver == "gpu.example.com"'}}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one}
spec: {spec: {devices: {requests: [{name: it, exactly: {deviceClassName: gpu}}]}}}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: team}
spec: {devices: {requests: [{name: it, firstAvailable: [{name: a, deviceClassName: gpu, count: 2}, {name: b, deviceClassName: gpu, allocationMode: All}]}]}}
---
apiVersion: v1
kind: Pod
metadata: {name: train}
spec:
  resourceClaims: [{name: own, resourceClaimTemplateName: one}, {name: shared, resourceClaimName: team}]
  containers: [{name: main, image: x}]
`

// TestDevices: what pods ask for devices by is added with what the API server
// would fill in, in place of what there is of that name.
func TestDevices(t *testing.T) {
	c, err := Parse(strings.NewReader(training))
	if err != nil {
		t.Fatal(err)
	}
	r := recorded()
	r.Objects.DeviceClasses = []resourcev1.DeviceClass{{ObjectMeta: metav1.ObjectMeta{Name: "gpu"}}, {ObjectMeta: metav1.ObjectMeta{Name: "wire"}}}
	if err := c.Apply(&r); err != nil {
		t.Fatal(err)
	}
	d := r.Snapshot().Devices
	if len(d.Classes) != 2 || len(d.Classes[0].Spec.Selectors) != 1 {
		t.Errorf("classes: %v, want two, of which gpu is the file's", d.Classes)
	}
	if x := d.Templates[0]; x.Namespace != "default" || x.Spec.Spec.Devices.Requests[0].Exactly.Count != 1 || x.Spec.Spec.Devices.Requests[0].Exactly.AllocationMode != "ExactCount" {
		t.Errorf("template: %+v", x)
	}
	if x := d.Claims[0].Spec.Devices.Requests[0].FirstAvailable; x[0].Count != 2 || x[0].AllocationMode != "ExactCount" || x[1].Count != 0 {
		t.Errorf("claim: %+v", x)
	}
	if got := len(r.Snapshot().Pending[0].Spec.ResourceClaims); got != 2 {
		t.Errorf("the pod has %d claims, want 2", got)
	}
}
