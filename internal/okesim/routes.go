package okesim

// Base paths: the API versions of the three services. They live on hosts of their own in Oracle's cloud; here one handler
// serves all, as their paths do not clash.
const (
	okePath   = "/20180222"
	corePath  = "/20160918" // Compute and Identity
	limitPath = "/20190729"
)

// A route is one operation of the API.
type route struct {
	op     string // its name in Oracle's documentation; Calls and FailNext know it by this
	method string
	path   string
	serve  func(*Sim, *call) (*answer, error) // runs with Sim.mu held
}

// routes is everything that the emulator serves.
var routes = []route{
	// Container Engine
	{"ListClusters", "GET", okePath + "/clusters", (*Sim).serveListClusters},
	{"GetCluster", "GET", okePath + "/clusters/{cluster}", (*Sim).serveGetCluster},
	{"UpdateCluster", "PUT", okePath + "/clusters/{cluster}", (*Sim).serveUpdateCluster},
	{"ListAddons", "GET", okePath + "/clusters/{cluster}/addons", (*Sim).serveListAddons},
	{"GetAddon", "GET", okePath + "/clusters/{cluster}/addons/{addon}", (*Sim).serveGetAddon},
	{"GetClusterOptions", "GET", okePath + "/clusterOptions/{option}", (*Sim).serveGetClusterOptions},
	{"ListNodePools", "GET", okePath + "/nodePools", (*Sim).serveListNodePools},
	{"GetNodePool", "GET", okePath + "/nodePools/{pool}", (*Sim).serveGetNodePool},
	{"CreateNodePool", "POST", okePath + "/nodePools", (*Sim).serveCreateNodePool},
	{"UpdateNodePool", "PUT", okePath + "/nodePools/{pool}", (*Sim).serveUpdateNodePool},
	{"DeleteNodePool", "DELETE", okePath + "/nodePools/{pool}", (*Sim).serveDeleteNodePool},
	{"DeleteNode", "DELETE", okePath + "/nodePools/{pool}/node/{node}", (*Sim).serveDeleteNode},
	{"RebootClusterNode", "POST", okePath + "/clusters/{cluster}/nodes/{node}/actions/reboot", (*Sim).serveRebootClusterNode},
	{"ReplaceBootVolumeClusterNode", "POST", okePath + "/clusters/{cluster}/nodes/{node}/actions/replaceBootVolume", (*Sim).serveReplaceBootVolumeClusterNode},
	{"ListVirtualNodePools", "GET", okePath + "/virtualNodePools", (*Sim).serveListVirtualNodePools},
	{"GetVirtualNodePool", "GET", okePath + "/virtualNodePools/{pool}", (*Sim).serveGetVirtualNodePool},
	{"ListVirtualNodes", "GET", okePath + "/virtualNodePools/{pool}/virtualNodes", (*Sim).serveListVirtualNodes},
	{"GetVirtualNode", "GET", okePath + "/virtualNodePools/{pool}/virtualNodes/{node}", (*Sim).serveGetVirtualNode},
	{"CreateVirtualNodePool", "POST", okePath + "/virtualNodePools", (*Sim).refuseVirtual},
	{"UpdateVirtualNodePool", "PUT", okePath + "/virtualNodePools/{pool}", (*Sim).refuseVirtual},
	{"DeleteVirtualNodePool", "DELETE", okePath + "/virtualNodePools/{pool}", (*Sim).refuseVirtual},
	{"GetNodePoolOptions", "GET", okePath + "/nodePoolOptions/{option}", (*Sim).serveGetNodePoolOptions},
	{"ListWorkRequests", "GET", okePath + "/workRequests", (*Sim).serveListWorkRequests},
	{"GetWorkRequest", "GET", okePath + "/workRequests/{work}", (*Sim).serveGetWorkRequest},
	{"DeleteWorkRequest", "DELETE", okePath + "/workRequests/{work}", (*Sim).serveDeleteWorkRequest},
	{"ListWorkRequestErrors", "GET", okePath + "/workRequests/{work}/errors", (*Sim).serveListWorkRequestErrors},
	{"ListWorkRequestLogs", "GET", okePath + "/workRequests/{work}/logs", (*Sim).serveListWorkRequestLogs},

	// Compute
	{"ListInstances", "GET", corePath + "/instances", (*Sim).serveListInstances},
	{"GetInstance", "GET", corePath + "/instances/{instance}", (*Sim).serveGetInstance},
	{"InstanceAction", "POST", corePath + "/instances/{instance}", (*Sim).serveInstanceAction},
	{"TerminateInstance", "DELETE", corePath + "/instances/{instance}", (*Sim).serveTerminateInstance},
	{"ListVnicAttachments", "GET", corePath + "/vnicAttachments", (*Sim).serveListVnicAttachments},
	{"GetVnic", "GET", corePath + "/vnics/{vnic}", (*Sim).serveGetVnic},
	{"ListBootVolumeAttachments", "GET", corePath + "/bootVolumeAttachments", (*Sim).serveListBootVolumeAttachments},
	{"GetBootVolume", "GET", corePath + "/bootVolumes/{volume}", (*Sim).serveGetBootVolume},
	{"CaptureConsoleHistory", "POST", corePath + "/instanceConsoleHistories", (*Sim).serveCaptureConsoleHistory},
	{"ListConsoleHistories", "GET", corePath + "/instanceConsoleHistories", (*Sim).serveListConsoleHistories},
	{"GetConsoleHistory", "GET", corePath + "/instanceConsoleHistories/{history}", (*Sim).serveGetConsoleHistory},
	{"GetConsoleHistoryContent", "GET", corePath + "/instanceConsoleHistories/{history}/data", (*Sim).serveGetConsoleHistoryContent},
	{"DeleteConsoleHistory", "DELETE", corePath + "/instanceConsoleHistories/{history}", (*Sim).serveDeleteConsoleHistory},
	{"ListInstanceMaintenanceEvents", "GET", corePath + "/instanceMaintenanceEvents", (*Sim).serveListMaintenance},
	{"ListShapes", "GET", corePath + "/shapes", (*Sim).serveListShapes},
	{"ListImages", "GET", corePath + "/images", (*Sim).serveListImages},
	{"GetImage", "GET", corePath + "/images/{image}", (*Sim).serveGetImage},
	{"CreateComputeCapacityReport", "POST", corePath + "/computeCapacityReports", (*Sim).serveCreateComputeCapacityReport},

	// Network
	{"GetSubnet", "GET", corePath + "/subnets/{subnet}", (*Sim).serveGetSubnet},
	{"ListPrivateIps", "GET", corePath + "/privateIps", (*Sim).serveListPrivateIPs},

	// Limits
	{"ListLimitValues", "GET", limitPath + "/limitValues", (*Sim).serveListLimitValues},
	{"GetResourceAvailability", "GET", limitPath + "/services/{service}/limits/{limit}/resourceAvailability", (*Sim).serveGetResourceAvailability},

	// Identity
	{"ListAvailabilityDomains", "GET", corePath + "/availabilityDomains", (*Sim).serveListAvailabilityDomains},
	{"ListFaultDomains", "GET", corePath + "/faultDomains", (*Sim).serveListFaultDomains},
}
