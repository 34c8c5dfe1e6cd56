package oke

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/oracle/oci-go-sdk/v65/common"
	"github.com/oracle/oci-go-sdk/v65/containerengine"
)

func TestParseImageName(t *testing.T) {
	for name, want := range map[string]imageName{
		"Oracle-Linux-8.10-2026.07.31-0-OKE-1.34.1-1191":        {"v1.34.1", "amd64", false, "20260731", 1191},
		"Oracle-Linux-8.10-aarch64-2024.09.30-0-OKE-1.30.1-748": {"v1.30.1", "arm64", false, "20240930", 748},
		"Oracle-Linux-8.6-Gen2-GPU-2022.12.15-0-OKE-1.25.4-543": {"v1.25.4", "amd64", true, "20221215", 543},
		"Oracle-Linux-7.9-2022.12.16-0":                         {"", "amd64", false, "20221216", 0},
		"ubuntu-arm64-minimal-22.04-jammy-v20260731-OKE-1.34.1": {"v1.34.1", "arm64", false, "20260731", 0},
		"my-golden-image": {"", "amd64", false, "", 0},
		"":                {"", "amd64", false, "", 0},
		"Oracle-Linux-8.10-Gen2-GPU-aarch64-2026.07.31-0-OKE-1.34.1-9": {"v1.34.1", "arm64", true, "20260731", 9},
	} {
		if got := parseImageName(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestArchOf(t *testing.T) {
	for shape, want := range map[string]string{
		"VM.Standard.A1.Flex": "arm64", "BM.Standard.A1.160": "arm64", "VM.Standard.A2.Flex": "arm64", "BM.GPU.GB200.4": "arm64",
		"VM.Standard.E4.Flex": "amd64", "VM.Standard.AMD.Generic": "amd64", "VM.GPU.A10.1": "amd64", "BM.GPU.A100-v2.8": "amd64", "VM.Standard3.Flex": "amd64",
	} {
		if got := archOf(shape); got != want {
			t.Errorf("%s: %s, want %s", shape, got, want)
		}
	}
}

func TestReleasesAreSortedAndFit(t *testing.T) {
	names := []string{
		"Oracle-Linux-8.10-2026.05.29-0-OKE-1.9.7-1084",
		"Oracle-Linux-8.10-2026.05.29-0-OKE-1.34.1-1084",
		"Oracle-Linux-8.10-2026.07.31-0-OKE-1.34.1-1191",
		"Oracle-Linux-8.10-2026.07.31-0-OKE-1.34.1-1200",
		"Oracle-Linux-8.10-aarch64-2026.07.31-0-OKE-1.34.1-1191",
		"Oracle-Linux-8.10-Gen2-GPU-2026.07.31-0-OKE-1.34.1-1191",
		"Oracle-Linux-8.10-2026.07.31-0-OKE-1.36.0-1191", // the control plane is older
		"Oracle-Linux-8.10-2026.07.31-0",
	}
	o := containerengine.NodePoolOptions{KubernetesVersions: []string{"v1.9.7", "v1.34.1"}}
	for _, n := range names {
		o.Sources = append(o.Sources, containerengine.NodeSourceViaImageOption{SourceName: common.String(n), ImageId: common.String("id of " + n)})
	}
	for _, c := range []struct {
		shape string
		gpu   bool
		want  []string
	}{
		{"VM.Standard.E4.Flex", false, []string{names[3], names[2], names[1], names[0]}},
		{"VM.Standard.A1.Flex", false, []string{names[4]}},
		{"VM.GPU.A10.1", true, []string{names[5]}},
	} {
		var got []string
		for _, r := range releases(o, c.shape, c.gpu) {
			got = append(got, r.ImageName)
			if r.Image != "id of "+r.ImageName {
				t.Errorf("image %q of %q", r.Image, r.ImageName)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.shape, diff)
		}
	}
	if !slices.IsSortedFunc([]string{"v1.9.7", "v1.10.0", "v1.10.1", "v1.34.1"}, compareVersions) {
		t.Error("versions are compared as text")
	}
}
