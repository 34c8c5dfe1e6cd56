package okesim

import (
	"net/http"
	"slices"
)

// An Operation is one operation of the API with the permissions that OCI wants for it.
type Operation struct {
	Name        string // "UpdateNodePool"
	Method      string
	Path        string   // "/20180222/nodePools/{pool}"
	Permissions []string // all of them, in the caller's own policy; missing one is 404 NotAuthorizedOrNotFound
	Related     []string // for what the service does on the caller's behalf; missing one is 400 RelatedResourceNotAuthorizedOrNotFound
	Root        bool     // asked in the root compartment: a policy on another compartment does not help
}

// Operations lists every operation that the emulator serves, in the order of its routes.
func Operations() []Operation {
	var all []Operation
	for _, r := range routes {
		all = append(all, operationOf(r))
	}
	return all
}

func operationOf(r route) Operation {
	need := needs[r.op]
	return Operation{Name: r.op, Method: r.method, Path: r.path, Permissions: slices.Clone(need.own), Related: slices.Clone(need.related), Root: need.root}
}

type need struct {
	own, related []string
	root         bool
}

// launching is what a pool's owner must be allowed for OKE to launch and end instances for him.
var launching = []string{"INSTANCE_CREATE", "INSTANCE_DELETE", "SUBNET_ATTACH", "SUBNET_DETACH", "VNIC_ATTACH", "VNIC_DETACH", "COMPARTMENT_INSPECT"}

// needs are the permissions by operation. Those of clusters, pools, work requests, instances, images and identity follow Oracle's policy
// references; those of DeleteNode, of actions on one node, of virtual pools, capacity reports and limits are inferred from their neighbours.
var needs = map[string]need{
	"ListClusters":                 {own: []string{"CLUSTER_INSPECT"}},
	"GetCluster":                   {own: []string{"CLUSTER_READ"}},
	"UpdateCluster":                {own: []string{"CLUSTER_UPDATE"}},
	"GetClusterOptions":            {},
	"ListAddons":                   {own: []string{"CLUSTER_READ"}},
	"GetAddon":                     {own: []string{"CLUSTER_READ"}},
	"ListNodePools":                {own: []string{"CLUSTER_NODE_POOL_INSPECT"}},
	"GetNodePool":                  {own: []string{"CLUSTER_NODE_POOL_READ"}},
	"CreateNodePool":               {own: []string{"CLUSTER_NODE_POOL_CREATE"}, related: launching},
	"UpdateNodePool":               {own: []string{"CLUSTER_NODE_POOL_UPDATE"}, related: launching},
	"DeleteNodePool":               {own: []string{"CLUSTER_NODE_POOL_DELETE"}, related: launching},
	"DeleteNode":                   {own: []string{"CLUSTER_NODE_POOL_UPDATE"}, related: launching},
	"RebootClusterNode":            {own: []string{"CLUSTER_UPDATE"}, related: []string{"INSTANCE_POWER_ACTIONS"}},
	"ReplaceBootVolumeClusterNode": {own: []string{"CLUSTER_UPDATE"}, related: []string{"INSTANCE_UPDATE", "INSTANCE_POWER_ACTIONS"}},
	"GetNodePoolOptions":           {},
	"ListVirtualNodePools":         {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_INSPECT"}},
	"GetVirtualNodePool":           {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_READ"}},
	"ListVirtualNodes":             {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_READ"}},
	"GetVirtualNode":               {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_READ"}},
	"CreateVirtualNodePool":        {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_CREATE"}},
	"UpdateVirtualNodePool":        {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_UPDATE"}},
	"DeleteVirtualNodePool":        {own: []string{"CLUSTER_VIRTUAL_NODE_POOL_DELETE"}},
	"ListWorkRequests":             {own: []string{"CLUSTER_WORK_REQUEST_INSPECT"}},
	"GetWorkRequest":               {own: []string{"CLUSTER_WORK_REQUEST_READ"}},
	"DeleteWorkRequest":            {own: []string{"CLUSTER_WORK_REQUEST_DELETE"}},
	"ListWorkRequestErrors":        {own: []string{"CLUSTER_WORK_REQUEST_READ"}},
	"ListWorkRequestLogs":          {own: []string{"CLUSTER_WORK_REQUEST_READ"}},

	"ListInstances":                 {own: []string{"INSTANCE_READ"}},
	"GetInstance":                   {own: []string{"INSTANCE_READ"}},
	"InstanceAction":                {own: []string{"INSTANCE_POWER_ACTIONS"}},
	"TerminateInstance":             {own: []string{"INSTANCE_DELETE"}},
	"ListShapes":                    {own: []string{"INSTANCE_INSPECT"}},
	"ListImages":                    {own: []string{"INSTANCE_IMAGE_INSPECT"}},
	"GetImage":                      {own: []string{"INSTANCE_IMAGE_READ"}},
	"CreateComputeCapacityReport":   {own: []string{"COMPUTE_CAPACITY_REPORT_CREATE"}, root: true},
	"ListVnicAttachments":           {own: []string{"VNIC_ATTACHMENT_READ"}},
	"GetVnic":                       {own: []string{"VNIC_READ"}},
	"ListBootVolumeAttachments":     {own: []string{"VOLUME_ATTACHMENT_INSPECT"}},
	"GetBootVolume":                 {own: []string{"VOLUME_INSPECT"}},
	"CaptureConsoleHistory":         {own: []string{"CONSOLE_HISTORY_CREATE", "INSTANCE_READ"}},
	"ListConsoleHistories":          {own: []string{"CONSOLE_HISTORY_INSPECT"}},
	"GetConsoleHistory":             {own: []string{"CONSOLE_HISTORY_READ"}},
	"GetConsoleHistoryContent":      {own: []string{"CONSOLE_HISTORY_READ"}},
	"DeleteConsoleHistory":          {own: []string{"CONSOLE_HISTORY_DELETE"}},
	"ListInstanceMaintenanceEvents": {own: []string{"INSTANCE_READ"}},

	"GetSubnet":      {own: []string{"SUBNET_READ"}},
	"ListPrivateIps": {own: []string{"PRIVATE_IP_READ"}},

	"ListLimitValues":         {own: []string{"LIMIT_INSPECT"}, root: true},
	"GetResourceAvailability": {own: []string{"RESOURCE_AVAILABILITY_READ"}, root: true},

	"ListAvailabilityDomains": {own: []string{"COMPARTMENT_INSPECT"}},
	"ListFaultDomains":        {own: []string{"COMPARTMENT_INSPECT"}},
}

// Refuse makes an operation answer as OCI does to a caller who may not: 404 NotAuthorizedOrNotFound, which is what it mostly says, or 403
// NotAllowed. 0 takes it back.
func (s *Sim) Refuse(op string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if status == 0 {
		delete(s.refusals, op)
		return
	}
	s.refusals[op] = status
}

// SetPolicy makes the emulator ask a policy about every request; nil (the default) allows everything.
func (s *Sim) SetPolicy(p *Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policy = p
}

// permit refuses what an order or the policy does not allow.
func (s *Sim) permit(r route, c *call) error {
	if status := s.refusals[r.op]; status != 0 {
		code := "NotAuthorizedOrNotFound"
		if status == http.StatusForbidden {
			code = "NotAllowed"
		}
		return &Error{status, code, "Authorization failed or requested resource not found."}
	}
	if s.policy == nil {
		return nil
	}
	op := operationOf(r)
	if !s.policy.AllowsAll(c.principal, op.Permissions, op.Root) {
		return &Error{http.StatusNotFound, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found."}
	}
	if !s.policy.AllowsAll(c.principal, op.Related, op.Root) {
		return &Error{http.StatusBadRequest, "RelatedResourceNotAuthorizedOrNotFound", "Authorization failed or a related resource was not found."}
	}
	return nil
}
