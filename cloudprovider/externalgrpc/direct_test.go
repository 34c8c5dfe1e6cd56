package externalgrpc

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
)

// direct makes a call without a connection, as the server would.
func direct(p *Plugin, method string, data []byte) (any, error) {
	for _, m := range wire.CloudProvider_ServiceDesc.Methods {
		if m.MethodName == method {
			return m.Handler(p, context.Background(), func(v any) error { return proto.Unmarshal(data, v.(proto.Message)) },
				func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
					return p.watch(ctx, request, info, next)
				})
		}
	}
	return nil, nil
}

func optionsRequest(t *testing.T, data []byte) *wire.NodeGroupAutoscalingOptionsRequest {
	t.Helper()
	var r wire.NodeGroupAutoscalingOptionsRequest
	if err := proto.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}
