package okesim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

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
	{"ListShapes", "GET", corePath + "/shapes", (*Sim).serveListShapes},
	{"ListImages", "GET", corePath + "/images", (*Sim).serveListImages},
	{"GetImage", "GET", corePath + "/images/{image}", (*Sim).serveGetImage},
	{"CreateComputeCapacityReport", "POST", corePath + "/computeCapacityReports", (*Sim).serveCreateComputeCapacityReport},

	// Limits
	{"ListLimitValues", "GET", limitPath + "/limitValues", (*Sim).serveListLimitValues},
	{"GetResourceAvailability", "GET", limitPath + "/services/{service}/limits/{limit}/resourceAvailability", (*Sim).serveGetResourceAvailability},

	// Identity
	{"ListAvailabilityDomains", "GET", corePath + "/availabilityDomains", (*Sim).serveListAvailabilityDomains},
	{"ListFaultDomains", "GET", corePath + "/faultDomains", (*Sim).serveListFaultDomains},
}

// maxBody bounds a request body; the largest real one is a pool with long cloud-init scripts.
const maxBody = 1 << 20

func (s *Sim) newHandler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) { s.serve(w, req, r) })
	}
	mux.HandleFunc("POST /v1/x509", s.serveFederation)
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		writeError(w, &Error{http.StatusNotFound, "NotFound", req.Method + " " + req.URL.Path + " is not an operation of this emulator"}, 0)
	})
	return mux
}

// ServeHTTP serves the three APIs.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("opc-request-id", s.requestID(r))
	s.handler.ServeHTTP(w, r)
}

// requestID extends the caller's request id, as the service does, so that both sides' logs can be matched.
func (s *Sim) requestID(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	return fmt.Sprintf("%s/%016X", r.Header.Get("opc-request-id"), s.requests)
}

// serve is the way of every request: who are you, is a fault armed, what do you want, and the answer.
func (s *Sim) serve(w http.ResponseWriter, r *http.Request, route route) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeError(w, errUnparsable(err), 0)
		return
	}
	who, err := s.authenticate(r, body)
	if err != nil {
		writeError(w, err, 0)
		return
	}
	fault := s.nextFault(route.op)
	if !fault.wait(r.Context()) {
		return // the caller went away
	}
	if fault.Status != 0 && !fault.Drop {
		code, message := fault.words()
		writeError(w, &Error{fault.Status, code, message}, fault.RetryAfter)
		return
	}
	a, err := s.apply(route, &call{Request: r, body: body, principal: who})
	if fault.Drop {
		panic(http.ErrAbortHandler) // closes the connection: done, but nobody hears of it
	}
	if err != nil {
		writeError(w, err, 0)
		return
	}
	a.write(w)
}

func (s *Sim) apply(route route, c *call) (*answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caller = c.principal
	return route.serve(s, c)
}

// An answer is what a successful operation sends. Its body must not be written to after it is built.
type answer struct {
	status int
	body   any // nil sends none
	header map[string]string
}

func ok(body any) *answer {
	return &answer{status: http.StatusOK, body: body, header: map[string]string{}}
}

// accepted is the answer to every mutation of Container Engine: nothing but the work request to watch.
func accepted(w *workRequest) *answer {
	return &answer{status: http.StatusAccepted, header: map[string]string{"opc-work-request-id": w.ID}}
}

func (a *answer) with(key, value string) *answer {
	if value != "" {
		a.header[key] = value
	}
	return a
}

func (a *answer) write(w http.ResponseWriter) {
	for key, value := range a.header {
		w.Header().Set(key, value)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	writeJSON(w, a.status, a.body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the only error is a caller who went away
}

func writeError(w http.ResponseWriter, err error, retryAfter time.Duration) {
	e := &Error{http.StatusInternalServerError, "InternalError", err.Error()}
	errors.As(err, &e)
	if retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((retryAfter+time.Second-1)/time.Second)))
	}
	writeJSON(w, e.Status, map[string]string{"code": e.Code, "message": e.Message})
}
