package oke

import (
	"strings"

	"github.com/tidemill/tidemill/cloudprovider"
)

// fault sorts what Container Engine says of a node that it could not make.
//
// Codes alone do not do: "Out of host capacity." comes as InternalError, the
// same code as any other failure, and a registration that timed out is known by
// its text. The texts are those that the service has been seen to send.
func fault(code, message string) *cloudprovider.Fault {
	return &cloudprovider.Fault{Class: classify(code, message), Code: code, Message: message}
}

func classify(code, message string) cloudprovider.FaultClass {
	text := strings.ToLower(message)
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case code == codeLimitExceeded:
		return cloudprovider.FaultLimit
	case code == codeQuotaExceeded:
		return cloudprovider.FaultQuota
	case says(outOfCapacity, "out_of_host_capacity") || strings.EqualFold(code, "OutOfHostCapacity"):
		return cloudprovider.FaultCapacity
	case says("register timeout", "registration timeout") || strings.EqualFold(code, "RegisterTimeOut"):
		return cloudprovider.FaultRegistration
	case says("subnet", "vnic", "ip address", "npn", "network security group"):
		return cloudprovider.FaultNetwork
	case says("image"):
		return cloudprovider.FaultImage
	}
	return cloudprovider.FaultUnknown
}
