package oke

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
)

// imageName is what the name of an image for worker nodes tells. The API has no
// field for any of it.
//
//	Oracle-Linux-8.10-aarch64-2026.07.31-0-OKE-1.34.1-1191
//	Oracle-Linux-8.10-Gen2-GPU-2026.07.31-0-OKE-1.34.1-1191
//	ubuntu-arm64-minimal-22.04-jammy-v20260731-OKE-1.34.1
type imageName struct {
	kubernetes string // "v1.34.1"; "" if the image is none of OKE's
	arch       string // as Go and Kubernetes spell it: "amd64", "arm64"
	gpu        bool   // carries GPU drivers
	date       string // digits only: "20260731"; "" if the name has none
	build      int
	os         string // family and major version: "oraclelinux8", "ubuntu22"; "" if the name does not tell
}

var (
	okePart  = regexp.MustCompile(`(?i)-OKE-(\d+\.\d+\.\d+)(?:-(\d+))?`)
	osPart   = regexp.MustCompile(`^(oracle-linux)-(\d+)|(ubuntu)\D*(\d+)\.\d+`)
	datePart = regexp.MustCompile(`(?:^|[^\d])v?(20\d{2})[.-]?(\d{2})[.-]?(\d{2})(?:[^\d]|$)`)
)

func parseImageName(name string) imageName {
	lower := strings.ToLower(name)
	in := imageName{arch: "amd64", gpu: strings.Contains(lower, "gpu")}
	if strings.Contains(lower, "aarch64") || strings.Contains(lower, "arm64") {
		in.arch = "arm64"
	}
	if m := okePart.FindStringSubmatch(name); m != nil {
		in.kubernetes = "v" + m[1]
		in.build, _ = strconv.Atoi(m[2]) // absent is 0
	}
	if m := datePart.FindStringSubmatch(name); m != nil {
		in.date = m[1] + m[2] + m[3]
	}
	if m := osPart.FindStringSubmatch(withoutArch.Replace(lower)); m != nil {
		in.os = strings.ReplaceAll(m[1]+m[3]+m[2]+m[4], "-", "")
	}
	return in
}

// withoutArch keeps the 64 of an architecture from being read as a version.
var withoutArch = strings.NewReplacer("aarch64", "", "arm64", "", "amd64", "")

// compareImages orders images, the newest first.
func compareImages(a, b imageName) int {
	return cmp.Or(cmp.Compare(b.date, a.date), cmp.Compare(b.build, a.build))
}
