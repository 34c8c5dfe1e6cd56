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
		"Oracle-Linux-8.10-2026.07.31-0-OKE-1.34.1-1191":        {"v1.34.1", "amd64", false, "20260731", 1191, "oraclelinux8"},
		"Oracle-Linux-8.10-aarch64-2024.09.30-0-OKE-1.30.1-748": {"v1.30.1", "arm64", false, "20240930", 748, "oraclelinux8"},
		"Oracle-Linux-8.6-Gen2-GPU-2022.12.15-0-OKE-1.25.4-543": {"v1.25.4", "amd64", true, "20221215", 543, "oraclelinux8"},
		"Oracle-Linux-7.9-2022.12.16-0":                         {"", "amd64", false, "20221216", 0, "oraclelinux7"},
		"ubuntu-arm64-minimal-22.04-jammy-v20260731-OKE-1.34.1": {"v1.34.1", "arm64", false, "20260731", 0, "ubuntu22"},
		"my-golden-image": {"", "amd64", false, "", 0, ""},
		"":                {"", "amd64", false, "", 0, ""},
		"Oracle-Linux-8.10-Gen2-GPU-aarch64-2026.07.31-0-OKE-1.34.1-9": {"v1.34.1", "arm64", true, "20260731", 9, "oraclelinux8"},
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
		"Oracle-Linux-9.4-2026.08.31-0-OKE-1.34.1-1300",
		"ubuntu-amd64-minimal-22.04-jammy-v20260731-OKE-1.34.1",
	}
	o := containerengine.NodePoolOptions{KubernetesVersions: []string{"v1.9.7", "v1.34.1"}}
	for _, n := range names {
		o.Sources = append(o.Sources, containerengine.NodeSourceViaImageOption{SourceName: common.String(n), ImageId: common.String("id of " + n)})
	}
	for _, c := range []struct {
		kind imageKind
		want []string
	}{
		{imageKind{"amd64", false, "oraclelinux8"}, []string{names[3], names[2], names[1], names[0]}},
		{imageKind{"amd64", false, "oraclelinux9"}, []string{names[8]}},
		{imageKind{"amd64", false, "ubuntu22"}, []string{names[9]}},
		{imageKind{"amd64", false, ""}, []string{names[8], names[3], names[2], names[9], names[1], names[0]}},
		{imageKind{"arm64", false, "oraclelinux8"}, []string{names[4]}},
		{imageKind{"amd64", true, ""}, []string{names[5]}},
	} {
		var got []string
		for _, r := range releases(o, c.kind) {
			got = append(got, r.ImageName)
			if r.Image != "id of "+r.ImageName {
				t.Errorf("image %q of %q", r.Image, r.ImageName)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.kind, diff)
		}
	}
	if !slices.IsSortedFunc([]string{"v1.9.7", "v1.10.0", "v1.10.1", "v1.34.1"}, compareVersions) {
		t.Error("versions are compared as text")
	}
}
