package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CycleWindow is a time in which new nodes may be begun.
type CycleWindow struct {
	// schedule is when it opens, as cron writes it: minute, hour, day of month,
	// month, day of week ("0 22 * * 1-5"). A time that a change of clocks skips is
	// moved by as much, and one that comes twice opens once.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Schedule string `json:"schedule"`
	// duration is how long it stays open, at most a week.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	Duration metav1.Duration `json:"duration"`
	// timeZone is the IANA name of the zone of schedule ("Europe/Berlin"). Default
	// UTC.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	TimeZone string `json:"timeZone,omitempty"`
}

// CanarySpec lets a few nodes go first.
type CanarySpec struct {
	// count is how many. Default 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Count *int32 `json:"count,omitempty"`
	// soak is how long their successors have to stay well. Default 5m.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Soak *metav1.Duration `json:"soak,omitempty"`
}

// RampSpec lets the number of nodes at once grow with success.
type RampSpec struct {
	// initial is the number at the beginning. Each node that was replaced adds
	// one, up to the budget; each one that failed to join or to become empty
	// halves it. Default 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Initial *int32 `json:"initial,omitempty"`
}

// BlueGreenSpec tunes strategy BlueGreen.
type BlueGreenSpec struct {
	// soak is how long the emptied old nodes stand before they are deleted.
	// Default 1h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	Soak *metav1.Duration `json:"soak,omitempty"`
}

// FallbackSpec is what a run may do beyond its budget when the cloud has no room
// for even one surge node. Without it the run waits and tries again.
type FallbackSpec struct {
	// unavailable lets one node go before its successor is there.
	// +optional
	Unavailable bool `json:"unavailable,omitempty"`
	// bootVolume lets nodes be renewed by a new boot volume, one at a time.
	// +optional
	BootVolume bool `json:"bootVolume,omitempty"`
}

// DriftSpec says which differences count in mode Auto.
type DriftSpec struct {
	// ignore are fields whose difference does not count.
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +optional
	Ignore []DriftField `json:"ignore,omitempty"`
	// maxAge is the age at which a node is replaced whatever it runs, at least
	// one hour. Absent means never.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]{1,5}([.][0-9]{1,3})?(h|m|s|ms))+)$')",message="must be a duration such as 90s, 30m or 1h30m"
	// +optional
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`
}

// DriftField is a field in which a node may differ from its pool.
// +kubebuilder:validation:Enum=kubernetes;image;shape;labels;metadata;bootVolume
type DriftField string

// The fields, in the order in which they are named.
const (
	DriftKubernetes DriftField = "kubernetes"
	DriftImage      DriftField = "image"
	DriftShape      DriftField = "shape"
	DriftLabels     DriftField = "labels"
	DriftMetadata   DriftField = "metadata"
	DriftBootVolume DriftField = "bootVolume"
)

// CycleGate has to be open for a new node to be begun. What is being emptied is
// finished. The doctor's repairs do not wait for gates.
//
// +kubebuilder:validation:XValidation:rule="(has(self.prometheus) ? 1 : 0) + (has(self.http) ? 1 : 0) + (has(self.pods) ? 1 : 0) + (has(self.doctor) ? 1 : 0) + (has(self.approval) ? 1 : 0) == 1",message="a gate is one of prometheus, http, pods, doctor and approval"
type CycleGate struct {
	// name tells the gates of a pool apart.
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$`
	Name string `json:"name"`
	// afterCanary lets the gate count only once the canary has gone.
	// +optional
	AfterCanary bool `json:"afterCanary,omitempty"`
	// prometheus asks a Prometheus server.
	// +optional
	Prometheus *PrometheusGate `json:"prometheus,omitempty"`
	// http asks any server.
	// +optional
	HTTP *HTTPGate `json:"http,omitempty"`
	// pods looks for pods that must not be there.
	// +optional
	Pods *PodsGate `json:"pods,omitempty"`
	// doctor waits while a node that the run has made is not well.
	// +optional
	Doctor *DoctorGate `json:"doctor,omitempty"`
	// approval waits for a person: annotation tidemill.dev/approve with the time
	// at which the run began, as status.cycle.startedAt has it.
	// +optional
	Approval *ApprovalGate `json:"approval,omitempty"`
}

// PrometheusGate is open while a query has samples and none of them is 0. For
// alerts: absent(ALERTS{alertstate="firing",severity="critical"}).
type PrometheusGate struct {
	// url is the server's, without /api/v1/query.
	// +kubebuilder:validation:Pattern=`^https?://[^ ]+$`
	// +kubebuilder:validation:MaxLength=500
	URL string `json:"url"`
	// query is an instant query.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2000
	Query string `json:"query"`
}

// HTTPGate is open while a server answers as it should within five seconds.
type HTTPGate struct {
	// +kubebuilder:validation:Pattern=`^https?://[^ ]+$`
	// +kubebuilder:validation:MaxLength=500
	URL string `json:"url"`
	// status is the code of the answer. Default 200.
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=599
	// +optional
	Status *int32 `json:"status,omitempty"`
	// body is a regular expression (RE2) that has to match in the answer's first
	// mebibyte. Default: anything does.
	// +kubebuilder:validation:MaxLength=500
	// +optional
	Body string `json:"body,omitempty"`
}

// PodsGate is open while no pod of a selector is pending or running.
type PodsGate struct {
	// namespace is where to look. Default: everywhere.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// selector chooses the pods that hold the run up.
	Selector metav1.LabelSelector `json:"selector"`
}

// DoctorGate is open while no node that the run has made or renewed is broken: the
// doctor has found nothing on it, and its kubelet has not gone silent. A node that he
// has not passed yet closes no gate; it does not count either. There is nothing to tune.
type DoctorGate struct{}

// ApprovalGate has nothing to tune.
type ApprovalGate struct{}

// GetFallback is what a run may do beyond its budget: nothing if the spec does
// not say.
func (s *CycleSpec) GetFallback() FallbackSpec {
	if s == nil || s.Fallback == nil {
		return FallbackSpec{}
	}
	return *s.Fallback
}
