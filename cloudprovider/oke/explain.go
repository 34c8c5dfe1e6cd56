package oke

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// permissions are what IAM has to grant for each operation, as a statement says
// it. Source: Oracle's policy reference of Container Engine and of the Core
// Services. A word more than the least is asked where Oracle documents no finer one.
var permissions = map[string]string{
	"ListNodePools":                "read cluster-node-pools",
	"GetNodePool":                  "read cluster-node-pools",
	"GetNodePoolOptions":           "read cluster-node-pools",
	"UpdateNodePool":               "manage cluster-node-pools",
	"DeleteNode":                   "manage cluster-node-pools",
	"ListVirtualNodePools":         "read cluster-virtualnode-pools",
	"GetCluster":                   "read clusters",
	"RebootClusterNode":            "manage clusters",
	"ReplaceBootVolumeClusterNode": "manage clusters",
	"ListWorkRequests":             "read cluster-work-requests",
	"ListWorkRequestErrors":        "read cluster-work-requests",
	"ListWorkRequestLogs":          "read cluster-work-requests",
	"GetInstance":                  "read instance-family",
	"ListInstances":                "read instance-family",
	"GetImage":                     "read instance-family",
	"ListImages":                   "read instance-family",
	"ListShapes":                   "read instance-family",
	"CreateComputeCapacityReport":  "manage compute-capacity-reports",
	"GetResourceAvailability":      "read resource-availability",
	"GetSubnet":                    "inspect subnets",
	"ListPrivateIps":               "inspect private-ips",

	"ListInstanceMaintenanceEvents": "read instance-family",
	"CaptureConsoleHistory":         "manage console-histories",
	"GetConsoleHistory":             "read console-histories",
	"GetConsoleHistoryContent":      "read console-histories",
	"DeleteConsoleHistory":          "manage console-histories",
}

// skewLimit is how far a request's date may be off before the service refuses
// it, and from when on the clock is worth a word.
const skewLimit = 5 * time.Minute

// explain adds to a refusal what the operation and the answer's headers tell:
// the statement that IAM may lack, and how wrong this machine's clock is.
func (p *Provider) explain(op string, err error, r *http.Response) error {
	var e *apiError
	if !errors.As(err, &e) {
		return err
	}
	switch e.status {
	case http.StatusUnauthorized:
		if p.who.refused != "" {
			e.hint = p.who.refused
		}
		if off := skewOf(r, time.Now()); off.Abs() >= skewLimit {
			e.hint = clockHint(off)
		}
	case http.StatusForbidden, http.StatusNotFound:
		if grant := permissions[op]; grant != "" && (e.status == http.StatusForbidden || e.code == "NotAuthorizedOrNotFound") {
			where := "compartment id " + p.compartment
			if op == "CreateComputeCapacityReport" || op == "GetResourceAvailability" {
				where = "tenancy"
			}
			if op == "GetSubnet" || op == "ListPrivateIps" {
				where = "the subnet's compartment"
			}
			e.hint += fmt.Sprintf("; it takes the statement: Allow %s to %s in %s%s", p.who.grantee, grant, where, p.who.where)
		}
	}
	return err
}

// skewOf is by how much this machine's clock is ahead of the service's.
func skewOf(r *http.Response, now time.Time) time.Duration {
	if r == nil {
		return 0
	}
	at, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return now.Sub(at)
}

func clockHint(off time.Duration) string {
	direction := "ahead of"
	if off < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("this machine's clock is %.0f s %s OCI's, which refuses requests that are 300 s off: set the clock (chronyd, systemd-timesyncd)", off.Abs().Seconds(), direction)
}
