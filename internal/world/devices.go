package world

import (
	"context"
	"fmt"

	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DeviceObjects are the cluster's side of dynamic resource allocation.
type DeviceObjects struct {
	ResourceClaims         []resourcev1.ResourceClaim         `json:",omitempty"`
	ResourceClaimTemplates []resourcev1.ResourceClaimTemplate `json:",omitempty"`
	DeviceClasses          []resourcev1.DeviceClass           `json:",omitempty"`
	ResourceSlices         []resourcev1.ResourceSlice         `json:",omitempty"`
	// DevicesAway is why there are none here, "" when they were read.
	DevicesAway string `json:",omitempty"`
}

// ListDevices reads the four kinds. A cluster older than 1.34 does not serve
// them, and a right to read them may be missing: either is no reason not to look
// at everything else, and is told in DevicesAway.
func ListDevices(r client.Reader) func(context.Context) DeviceObjects {
	return func(ctx context.Context) DeviceObjects {
		var (
			claims    resourcev1.ResourceClaimList
			templates resourcev1.ResourceClaimTemplateList
			classes   resourcev1.DeviceClassList
			slices    resourcev1.ResourceSliceList
		)
		for _, list := range []client.ObjectList{&claims, &templates, &classes, &slices} {
			if err := r.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
				return DeviceObjects{DevicesAway: WhyNoDevices(err)}
			}
		}
		return DeviceObjects{ResourceClaims: claims.Items, ResourceClaimTemplates: templates.Items, DeviceClasses: classes.Items, ResourceSlices: slices.Items}
	}
}

// WhyNoDevices says in words why devices could not be listed.
func WhyNoDevices(err error) string {
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return "the cluster does not serve resource.k8s.io/v1"
	case apierrors.IsForbidden(err):
		return "tidemill may not read resource.k8s.io: bring its ClusterRole up to date"
	}
	return fmt.Sprintf("resource.k8s.io could not be read: %v", err)
}
