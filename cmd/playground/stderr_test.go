package main

import (
	"strings"
	"testing"
)

func TestSieveDropsOnlyTheEtcdClient(t *testing.T) {
	var out strings.Builder
	sieve(&out, strings.NewReader("one\n{\"level\":\"warn\",\"logger\":\"etcd-client\",\"msg\":\"retrying\"}\ntwo"))
	if got, want := out.String(), "one\ntwo"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
