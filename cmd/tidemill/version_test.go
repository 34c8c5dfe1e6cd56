package main

import (
	"runtime/debug"
	"testing"
)

func TestNamed(t *testing.T) {
	checkout := func(main, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: main}, Settings: []debug.BuildSetting{
			{Key: "vcs.modified", Value: modified}, {Key: "vcs.revision", Value: "abc"},
		}}
	}
	for _, tt := range []struct {
		what              string
		version, revision string // of the linker
		info              *debug.BuildInfo
		wantVersion, want string
	}{
		{"a release", "1.2.3", "def", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "1.2.3", "def"},
		{"a release is not named by the checkout that it is built in", "1.2.3", "", checkout("v0.0.0-x", "true"), "1.2.3", ""},
		{"go install at a version", "devel", "", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3", ""},
		{"a checkout", "devel", "", checkout("v0.0.0-20260102030405-abc", "false"), "v0.0.0-20260102030405-abc", "abc"},
		{"a dirty checkout", "devel", "", checkout("v0.0.0-20260102030405-abc+dirty", "true"), "v0.0.0-20260102030405-abc+dirty", "abc-dirty"},
		{"without version control", "devel", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "devel", ""},
		{"without anything", "devel", "", &debug.BuildInfo{}, "devel", ""},
	} {
		if got := named(tt.version, tt.revision, tt.info); got.Version != tt.wantVersion || got.Revision != tt.want {
			t.Errorf("%s: %q of %q, want %q of %q", tt.what, got.Version, got.Revision, tt.wantVersion, tt.want)
		}
	}
}
