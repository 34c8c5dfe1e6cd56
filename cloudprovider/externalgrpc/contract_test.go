package externalgrpc

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tidemill/tidemill/api/v1alpha1"
	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
	"github.com/tidemill/tidemill/cloudprovider/providertest"
)

func TestMain(m *testing.M) { providertest.Main(m) }

// Before the first good look every call that needs one is refused, Refresh among
// them: a client that found no groups would take the nodes for somebody else's.
func TestNothingIsAnsweredBeforeTheFirstLook(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1})
	cloud.FailNext("Pools", errors.New("away"))
	s := serveBlind(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 3}}}})
	s.look()
	for _, method := range []string{"Refresh", "NodeGroups", "NodeGroupForNode", "NodeGroupTargetSize", "NodeGroupNodes",
		"NodeGroupTemplateNodeInfo", "NodeGroupGetOptions", "GetAvailableGPUTypes", "PricingNodePrice", "PricingPodPrice"} {
		_, err := s.raw(method, nil)
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v, want Unavailable", method, err)
		}
	}
	_, err := s.raw("NodeGroupIncreaseSize", join(field(1, 1), field(2, string(id))))
	wantCode(t, err, codes.Unavailable)
	s.look()
	if _, err := s.raw("Refresh", nil); err != nil {
		t.Fatal(err)
	}
}

func TestGroups(t *testing.T) {
	s, id := one(t, 2, 1, 5)
	answer, err := s.raw("NodeGroups", nil)
	if err != nil {
		t.Fatal(err)
	}
	groups := fields(t, answer)[1]
	if len(groups) != 1 {
		t.Fatalf("%d groups", len(groups))
	}
	g := fields(t, groups[0])
	if string(g[1][0]) != string(id) || g[2][0][0] != 1 || g[3][0][0] != 5 || !strings.Contains(string(g[4][0]), "size 2") {
		t.Errorf("group %q min %v max %v debug %q", g[1], g[2], g[3], g[4])
	}
}

func TestNodeGroupForNode(t *testing.T) {
	cloud := fake.New(fake.Options{})
	ours, other := cloud.AddPool(fake.Pool{Size: 1}), cloud.AddPool(fake.Pool{Size: 1})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{ours: {0, 3}}}})
	machine := func(p cloudprovider.PoolID) string {
		list, _ := cloud.Instances(t.Context(), p)
		return string(list[0].ID)
	}
	placeholder := string(cloudprovider.Placeholder(ours, 7))
	note := map[string]string{v1alpha1.AnnotationNodePoolID: string(ours)}
	for name, c := range map[string]struct {
		node *wire.ExternalGrpcNode
		want cloudprovider.PoolID
	}{
		"a machine":                     {real(machine(ours)), ours},
		"with the prefix":               {real("oci://" + machine(ours)), ours},
		"of a pool that is no group":    {real(machine(other)), ""},
		"a placeholder, by id alone":    {&wire.ExternalGrpcNode{ProviderId: placeholder}, ours},
		"a placeholder of another pool": {&wire.ExternalGrpcNode{ProviderId: string(cloudprovider.Placeholder(other, 1))}, ""},
		"newer than the look":           {&wire.ExternalGrpcNode{Name: "n", ProviderId: "newest", Annotations: note}, ours},
		"self-managed":                  {&wire.ExternalGrpcNode{Name: "n", ProviderId: "own", Annotations: note, Labels: map[string]string{v1alpha1.LabelSelfManaged: "true"}}, ""},
		"unknown":                       {real("somebody-elses"), ""},
		"without an id":                 {&wire.ExternalGrpcNode{Name: "n", Annotations: note}, ""},
		"nothing at all":                {nil, ""},
	} {
		r, err := s.client.NodeGroupForNode(t.Context(), &wire.NodeGroupForNodeRequest{Node: c.node})
		if err != nil || r.NodeGroup == nil || r.NodeGroup.Id != string(c.want) {
			t.Errorf("%s: %v, %v, want %q", name, r, err, c.want)
		}
	}
}

func TestIncreaseSize(t *testing.T) {
	s, id := one(t, 2, 1, 5)
	grow := func(delta int32) error {
		_, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: delta})
		return err
	}
	wantCode(t, grow(0), codes.InvalidArgument)
	wantCode(t, grow(-3), codes.InvalidArgument)
	wantCode(t, grow(4), codes.OutOfRange)
	wantCode(t, grow(1<<31-1), codes.OutOfRange)
	if n := s.writes(); n != 0 {
		t.Fatalf("%d writes for refused calls", n)
	}
	if err := grow(2); err != nil {
		t.Fatal(err)
	}
	if n := s.size(id); n != 4 {
		t.Errorf("size %d right after the write, want 4", n)
	}
	// Somebody resizes the pool in the console: what the client decided on is
	// gone, and it is not overwritten.
	s.cloud.SetSize(id, 3)
	wantCode(t, grow(1), codes.Aborted)
	s.look()
	if n := s.size(id); n != 3 {
		t.Errorf("size %d, want 3", n)
	}
	_, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: "unknown", Delta: 1})
	wantCode(t, err, codes.NotFound)
}

func TestErrorsOfTheCloudAreTold(t *testing.T) {
	s, id := one(t, 2, 1, 5)
	for err, want := range map[error]codes.Code{
		cloudprovider.ErrQuota: codes.ResourceExhausted, cloudprovider.ErrThrottled: codes.Unavailable,
		cloudprovider.ErrUnauthorized: codes.PermissionDenied, cloudprovider.ErrNotSupported: codes.FailedPrecondition,
		cloudprovider.ErrNotFound: codes.NotFound, errors.New("broken"): codes.Unavailable,
	} {
		s.cloud.FailNext("Resize", err)
		_, got := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 1})
		wantCode(t, got, want)
		if n := s.size(id); n != 2 {
			t.Fatalf("size %d after %v", n, err)
		}
	}
}

func TestDecreaseTargetSize(t *testing.T) {
	cloud := fake.New(fake.Options{})
	cloud.SetCapacity("ZONE-1", 2)
	id := cloud.AddPool(fake.Pool{Size: 5})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {1, 9}}}})
	shrink := func(delta int32) error {
		_, err := s.client.NodeGroupDecreaseTargetSize(t.Context(), &wire.NodeGroupDecreaseTargetSizeRequest{Id: string(id), Delta: delta})
		return err
	}
	wantCode(t, shrink(1), codes.InvalidArgument)
	wantCode(t, shrink(0), codes.InvalidArgument)
	if err := shrink(-1); err != nil || s.size(id) != 4 {
		t.Fatalf("size %d, %v", s.size(id), err)
	}
	s.look()
	// More than there is to take back: as many go as there are.
	if err := shrink(-4); err != nil || s.size(id) != 2 {
		t.Fatalf("size %d, %v", s.size(id), err)
	}
	s.look()
	wantCode(t, shrink(-1), codes.FailedPrecondition)
	for _, in := range s.instances(id) {
		if in.Status.State != wire.InstanceStatus_RUNNING {
			t.Errorf("%v: a live machine was touched", in)
		}
	}
	if len(s.instances(id)) != 2 {
		t.Errorf("%d instances", len(s.instances(id)))
	}
}

func TestDeleteNodes(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id, other := cloud.AddPool(fake.Pool{Size: 4}), cloud.AddPool(fake.Pool{Size: 1})
	s := serve(t, cloud, Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {2, 9}, other: {0, 9}}}})
	list := s.instances(id)
	for name, c := range map[string]struct {
		code  codes.Code
		nodes []*wire.ExternalGrpcNode
	}{
		"of another group":               {codes.InvalidArgument, []*wire.ExternalGrpcNode{real(list[0].Id), real(s.instances(other)[0].Id)}},
		"a placeholder of another group": {codes.InvalidArgument, []*wire.ExternalGrpcNode{real(list[0].Id), failed(string(cloudprovider.Placeholder(other, 1)))}},
		"without an id":                  {codes.InvalidArgument, []*wire.ExternalGrpcNode{real(list[0].Id), {Name: "n"}}},
		"below the minimum":              {codes.FailedPrecondition, []*wire.ExternalGrpcNode{real(list[0].Id), real(list[1].Id), real(list[2].Id)}},
		"of another cluster":             {codes.InvalidArgument, []*wire.ExternalGrpcNode{real(list[0].Id), {Name: "n", ProviderId: "far", Annotations: map[string]string{v1alpha1.AnnotationNodePoolID: "far-pool"}}}},
	} {
		if err := s.delete(id, c.nodes...); status.Code(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if n := s.writes(); n != 0 {
		t.Fatalf("%d writes for refused calls", n)
	}
	// The same node twice in a call, and the call again and again.
	for range 3 {
		if err := s.delete(id, real(list[1].Id), real("oci://"+list[1].Id)); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.size(id); n != 3 || s.writes() != 1 {
		t.Fatalf("size %d after %d writes, want 3 after 1", n, s.writes())
	}
	s.look()
	if err := s.delete(id, real(list[1].Id)); err != nil {
		t.Errorf("again, when it is gone: %v", err)
	}
	if len(s.instances(id)) != 3 || s.writes() != 1 {
		t.Errorf("%d instances, %d writes", len(s.instances(id)), s.writes())
	}
}

// A machine that joined after the last look is deleted and not taken for gone.
func TestDeleteOfAMachineNewerThanTheLook(t *testing.T) {
	s, id := one(t, 1, 0, 5)
	s.cloud.SetSize(id, 2)
	list, _ := s.cloud.Instances(t.Context(), id)
	if err := s.delete(id, real(string(list[1].ID))); err != nil {
		t.Fatal(err)
	}
	if s.size(id) != 1 || s.writes() != 1 {
		t.Fatalf("size %d, %d writes", s.size(id), s.writes())
	}
	// While the cloud does not answer nobody knows whether it is gone.
	s.cloud.FailNext("Pools", errors.New("away"))
	wantCode(t, s.delete(id, real("unheard-of")), codes.Unavailable)
}

func TestOptionalAndCachedCalls(t *testing.T) {
	cloud := fake.New(fake.Options{})
	id := cloud.AddPool(fake.Pool{Size: 1})
	s := serve(t, cloud, Options{GPULabel: "gpu", Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {0, 1}}}})
	if answer, err := s.raw("GPULabel", nil); err != nil || string(fields(t, answer)[1][0]) != "gpu" {
		t.Errorf("GPU label %q, %v", answer, err)
	}
	if answer, err := s.raw("GetAvailableGPUTypes", nil); err != nil || len(answer) != 0 {
		t.Errorf("GPU types %q, %v", answer, err)
	}
	if _, err := s.raw("Cleanup", nil); err != nil {
		t.Error(err)
	}
}

// Reads never reach the cloud, however it is.
func TestReadsAreAnsweredFromMemory(t *testing.T) {
	s, id := one(t, 2, 1, 5)
	before := len(s.cloud.Calls())
	for range 10 {
		_, _ = s.client.Refresh(t.Context(), &wire.RefreshRequest{})
		_, _ = s.client.NodeGroups(t.Context(), &wire.NodeGroupsRequest{})
		_, _ = s.client.NodeGroupTemplateNodeInfo(t.Context(), &wire.NodeGroupTemplateNodeInfoRequest{Id: string(id)})
		s.size(id)
		for _, in := range s.instances(id) {
			_, _ = s.client.NodeGroupForNode(t.Context(), &wire.NodeGroupForNodeRequest{Node: real(in.Id)})
		}
	}
	if after := len(s.cloud.Calls()); after != before {
		t.Errorf("%d calls to the cloud", after-before)
	}
}

// Errors travel in state "creating" alone, and never with an empty code, which
// clients take for none.
func TestStatusOfInstances(t *testing.T) {
	fault := &cloudprovider.Fault{Class: cloudprovider.FaultRegistration, Code: "c", Message: "m"}
	info := func(code, message string, class int32) *wire.InstanceErrorInfo {
		return &wire.InstanceErrorInfo{ErrorCode: code, ErrorMessage: message, InstanceErrorClass: class}
	}
	for _, c := range []struct {
		in    cloudprovider.Instance
		state wire.InstanceStatus_State
		info  *wire.InstanceErrorInfo
	}{
		{cloudprovider.Instance{State: cloudprovider.Running, Fault: fault}, wire.InstanceStatus_RUNNING, nil},
		{cloudprovider.Instance{State: cloudprovider.Stopped}, wire.InstanceStatus_RUNNING, nil},
		{cloudprovider.Instance{State: cloudprovider.Deleting, Fault: fault}, wire.InstanceStatus_DELETING, nil},
		{cloudprovider.Instance{State: cloudprovider.Creating}, wire.InstanceStatus_CREATING, nil},
		{cloudprovider.Instance{State: cloudprovider.Creating, Fault: fault}, wire.InstanceStatus_CREATING, info("RegistrationTimeout", "m", 99)},
		{cloudprovider.Instance{State: cloudprovider.Failed}, wire.InstanceStatus_CREATING, info("Unknown", "the cloud does not say why", 99)},
		{cloudprovider.Instance{State: cloudprovider.Failed, Fault: &cloudprovider.Fault{Code: "InternalError"}}, wire.InstanceStatus_CREATING, info("InternalError", "", 99)},
		{cloudprovider.Instance{State: cloudprovider.Failed, Fault: &cloudprovider.Fault{Class: cloudprovider.FaultLimit}}, wire.InstanceStatus_CREATING, info("LimitExceeded", "", 1)},
		{cloudprovider.Instance{State: cloudprovider.Failed, Fault: &cloudprovider.Fault{Class: cloudprovider.FaultQuota}}, wire.InstanceStatus_CREATING, info("QuotaExceeded", "", 1)},
	} {
		got := statusOf(c.in)
		if got.State != c.state || !proto.Equal(got.ErrorInfo, c.info) {
			t.Errorf("%s %v: %v", c.in.State, c.in.Fault, got)
		}
	}
	if got := statusOf(cloudprovider.Instance{}); got != nil {
		t.Errorf("an unknown state is told as %v", got)
	}
}
