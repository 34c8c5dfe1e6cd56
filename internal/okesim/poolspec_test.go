package okesim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

func TestNewReleaseIsForNewNodesOnly(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 2)
	old := c.rest(id)
	image, err := c.NewestImage("v1.35.0", e4)
	if err != nil {
		t.Fatal(err)
	}
	update := func(version, image string) error {
		_, err := c.oke.UpdateNodePool(t.Context(), containerengine.UpdateNodePoolRequest{NodePoolId: &id, UpdateNodePoolDetails: containerengine.UpdateNodePoolDetails{
			KubernetesVersion: &version, NodeSourceDetails: containerengine.NodeSourceViaImageDetails{ImageId: &image}}})
		return err
	}
	wantRefusal(t, update("v1.35.0", old.ImageID), 409, "Conflict")
	wantRefusal(t, update("v1.35.0", "ocid1.image.oc1.iad.none"), 404, "NotAuthorizedOrNotFound")
	wantRefusal(t, update("v1.36.0", image.ID), 400, "InvalidParameter")
	wantRefusal(t, update("v1.31.1", old.ImageID), 400, "InvalidParameter")
	if err := update("v1.35.0", image.ID); err != nil {
		t.Fatal(err)
	}
	c.rest(id)
	victim := old.Nodes[0].ID
	if _, err := c.oke.DeleteNode(t.Context(), containerengine.DeleteNodeRequest{NodePoolId: &id, NodeId: &victim}); err != nil {
		t.Fatal(err)
	}
	p := c.rest(id)
	versions := []string{p.Nodes[0].KubernetesVersion, p.Nodes[1].KubernetesVersion}
	if diff := cmp.Diff([]string{"v1.34.1", "v1.35.0"}, versions); diff != "" || p.Size != 2 {
		t.Errorf("size %d, versions %s", p.Size, diff)
	}
	fresh, err := c.Instance(p.Nodes[1].ID)
	if err != nil || fresh.ImageID != image.ID || fresh.KubernetesVersion != "v1.35.0" {
		t.Errorf("the replacement is %+v, %v", fresh, err)
	}
}

func TestSkew(t *testing.T) {
	for _, tt := range []struct {
		worker, control string
		ok              bool
	}{
		{"v1.34.1", "v1.34.1", true}, {"v1.31.1", "v1.34.1", true}, {"v1.30.1", "v1.34.1", false}, {"v1.35.0", "v1.34.1", false},
		{"v1.34.2", "v1.34.1", false}, {"v1.25.4", "v1.27.2", true}, {"v1.24.1", "v1.27.2", false}, {"1.34.1", "v1.34.1", false}, {"v1.34", "v1.34.1", false},
	} {
		if got := checkSkew(tt.worker, tt.control) == nil; got != tt.ok {
			t.Errorf("worker %s under %s: %v, want %v", tt.worker, tt.control, got, tt.ok)
		}
	}
}

func TestBadInputIsRefused(t *testing.T) {
	c := newCloud(t, Options{})
	id := c.pool("workers", 1)
	c.get(id)
	put := func(body string) (int, map[string]string) {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", c.server.URL+"/20180222/nodePools/"+id, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		answer := map[string]string{}
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			t.Errorf("%s: the answer is not an error body: %v", body, err)
		}
		return r.StatusCode, answer
	}
	for body, code := range map[string]string{
		``:                                    "CannotParseRequest",
		`{`:                                   "CannotParseRequest",
		`{"sise":3}`:                          "CannotParseRequest",
		`{} {}`:                               "InvalidParameter",
		`{"nodeConfigDetails":{"size":-1}}`:   "InvalidParameter",
		`{"nodeConfigDetails":{"size":1001}}`: "LimitExceeded",
		`{"nodeConfigDetails":{"size":"2"}}`:  "CannotParseRequest",
		`{"nodeConfigDetails":{"placementConfigs":[]}}`:                                          "InvalidParameter",
		`{"nodeConfigDetails":{"placementConfigs":[{"availabilityDomain":"x","subnetId":"s"}]}}`: "InvalidParameter",
		`{"nodeShape":"VM.None"}`:                                                  "InvalidParameter",
		`{"nodeShapeConfig":{"ocpus":500}}`:                                        "InvalidParameter",
		`{"nodeSourceDetails":{"sourceType":"VOLUME"}}`:                            "InvalidParameter",
		`{"nodeSourceDetails":{"sourceType":"IMAGE"}}`:                             "MissingParameter",
		`{"nodePoolCyclingDetails":{"maximumSurge":"0","maximumUnavailable":"0"}}`: "InvalidParameter",
		`{"nodeEvictionNodePoolSettings":{"evictionGraceDuration":"PT2H"}}`:        "InvalidParameter",
	} {
		if status, answer := put(body); answer["code"] != code || status < 400 {
			t.Errorf("%s: %d %v, want %s", body, status, answer, code)
		}
	}
	if p := c.rest(id); p.Size != 1 || p.State != poolActive || len(p.Nodes) != 1 {
		t.Errorf("refused writes changed the pool: %+v", p)
	}
}
