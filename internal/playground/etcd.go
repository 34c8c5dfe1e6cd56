package playground

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// startEtcd runs a one-member etcd in this process and returns it with the
// address that its clients dial. fsync is off: the data is thrown away with the
// cluster, and every write of a rollout would otherwise wait for the disk.
func startEtcd(ctx context.Context, dir, logFile string) (*embed.Etcd, string, error) {
	anyPort := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg := embed.NewConfig()
	cfg.Name = "playground"
	cfg.Dir = filepath.Join(dir, "etcd")
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{anyPort}, []url.URL{anyPort}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{anyPort}, []url.URL{anyPort}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	cfg.EnableGRPCGateway = false
	cfg.WarningUnaryRequestDuration = time.Second // zero, the library default, logs every call
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{logFile}
	// A member alone elects itself after one election timeout: the default
	// second would be a fifth of the whole start.
	cfg.TickMs, cfg.ElectionMs = 20, 200
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("start etcd: %w", err)
	}
	wait, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	select {
	case <-server.Server.ReadyNotify():
		return server, "http://" + server.Clients[0].Addr().String(), nil
	case err = <-server.Err():
	case <-wait.Done():
		err = fmt.Errorf("not ready: %w; its log is %s", wait.Err(), logFile)
	}
	server.Close()
	return nil, "", fmt.Errorf("start etcd: %w", err)
}
