package whatif

import (
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidemill/tidemill/internal/world/record"
)

// addDevices adds what pods ask for devices by, with what the API server fills in.
// Each takes the place of one of its name. The devices themselves are those that
// nodes show.
func (c Change) addDevices(r *record.Record) {
	o := &r.Objects
	for _, x := range c.Claims {
		x.Namespace = or(x.Namespace, metav1.NamespaceDefault)
		x.UID = types.UID("what-if/claim/" + x.Namespace + "/" + x.Name)
		x.Status = resourcev1.ResourceClaimStatus{}
		filledIn(&x.Spec)
		o.ResourceClaims = replace(o.ResourceClaims, x, func(y *resourcev1.ResourceClaim) bool { return y.Namespace == x.Namespace && y.Name == x.Name })
	}
	for _, x := range c.ClaimTemplates {
		x.Namespace = or(x.Namespace, metav1.NamespaceDefault)
		filledIn(&x.Spec.Spec)
		o.ResourceClaimTemplates = replace(o.ResourceClaimTemplates, x, func(y *resourcev1.ResourceClaimTemplate) bool {
			return y.Namespace == x.Namespace && y.Name == x.Name
		})
	}
	for _, x := range c.Classes {
		o.DeviceClasses = replace(o.DeviceClasses, x, func(y *resourcev1.DeviceClass) bool { return y.Name == x.Name })
	}
}

func replace[T any](list []T, x T, same func(*T) bool) []T {
	for i := range list {
		if same(&list[i]) {
			list[i] = x
			return list
		}
	}
	return append(list, x)
}

// filledIn is the spec as the API server stores it: one device, unless it says
// otherwise.
func filledIn(s *resourcev1.ResourceClaimSpec) {
	one := func(mode *resourcev1.DeviceAllocationMode, count *int64) {
		*mode = or(*mode, resourcev1.DeviceAllocationModeExactCount)
		if *mode == resourcev1.DeviceAllocationModeExactCount && *count == 0 {
			*count = 1
		}
	}
	for i := range s.Devices.Requests {
		q := &s.Devices.Requests[i]
		if q.Exactly != nil {
			one(&q.Exactly.AllocationMode, &q.Exactly.Count)
		}
		for j := range q.FirstAvailable {
			one(&q.FirstAvailable[j].AllocationMode, &q.FirstAvailable[j].Count)
		}
	}
}
