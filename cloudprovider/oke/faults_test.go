package oke

import (
	"testing"

	"github.com/tidemill/tidemill/cloudprovider"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		code, message string
		want          cloudprovider.FaultClass
	}{
		{"InternalError", "Out of host capacity.", cloudprovider.FaultCapacity},
		{"InternalError", "out of host capacity for shape image", cloudprovider.FaultCapacity},
		{"LimitExceeded", "The following service limits were exceeded: standard-e4-core-count.", cloudprovider.FaultLimit},
		{"QuotaExceeded", "quota", cloudprovider.FaultQuota},
		{"RegisterTimeOut", "1 nodes(s) register timeout. First, confirm that network prerequisites have been met.", cloudprovider.FaultRegistration},
		{"NotAuthorizedOrNotFound", "image ocid1.image.x not found", cloudprovider.FaultImage},
		{"InternalError", "no free private IP address in subnet", cloudprovider.FaultNetwork},
		{"InternalError", "1 node(s) launch failure", cloudprovider.FaultUnknown},
		{"", "", cloudprovider.FaultUnknown},
	} {
		if got := fault(c.code, c.message); got.Class != c.want || got.Code != c.code || got.Message != c.message {
			t.Errorf("%s %q: %v, want %v", c.code, c.message, got.Class, c.want)
		}
	}
}
