package oke

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/tidemill/tidemill/cloudprovider"
)

// Here is what an OCI instance knows of itself, and with it a pod on an OKE node.
type Here struct {
	// InstanceID, CompartmentID, and Region ("us-ashburn-1") are those of the
	// machine. OKE puts a pool's machines into the pool's compartment.
	InstanceID, CompartmentID, Region string
	// ClusterID and PoolID are "" on a machine that is no worker of OKE.
	ClusterID, PoolID string
}

const (
	metadataURL     = "http://169.254.169.254/opc/v2"
	metadataURLName = "OCI_METADATA_BASE_URL" // the SDK's own variable
	// It is next door or not there.
	metadataPatience = 3 * time.Second
	metadataSize     = 1 << 20
)

// Discover asks the instance metadata service. An error means that there is none,
// as on a workstation: it is an answer, and takes three seconds at most.
func Discover(ctx context.Context, env func(string) string) (Here, error) {
	base := strings.TrimSuffix(env(metadataURLName), "/")
	if base == "" {
		base = metadataURL
	}
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/instance/", nil)
	if err != nil {
		return Here{}, fmt.Errorf("ask the instance metadata service: %w", err)
	}
	req.Header.Set("Authorization", "Bearer Oracle") // keeps naive forwarders out
	// Never by a proxy, whatever the environment says: the address is this
	// machine's own.
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return Here{}, fmt.Errorf("ask the instance metadata service: %w; is this an instance of OCI, and may pods reach %s?", err, base)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, metadataSize))
	if err != nil || resp.StatusCode != http.StatusOK {
		return Here{}, fmt.Errorf("ask the instance metadata service: it answers %s", resp.Status)
	}
	return parseHere(body)
}

func parseHere(body []byte) (Here, error) {
	var answer struct {
		ID            string            `json:"id"`
		CompartmentID string            `json:"compartmentId"`
		Canonical     string            `json:"canonicalRegionName"`
		Region        string            `json:"region"` // may be the short key, "iad"
		Metadata      map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return Here{}, fmt.Errorf("read the instance's metadata: %w", err)
	}
	h := Here{InstanceID: answer.ID, CompartmentID: answer.CompartmentID, Region: answer.Canonical,
		ClusterID: answer.Metadata["oke-cluster-id"], PoolID: answer.Metadata["oke-pool-id"]}
	if h.Region == "" && answer.Region != "" {
		h.Region = string(common.StringToRegion(answer.Region))
	}
	if h.InstanceID == "" {
		return Here{}, fmt.Errorf("read the instance's metadata: %w: it has no id", cloudprovider.ErrInvalid)
	}
	return h, nil
}
