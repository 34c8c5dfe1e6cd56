package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata run the real main, under both of its names.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemill": main, "kubectl-tidemill": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			// A home of its own: nobody's kubeconfig or OCI key gets in.
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("KUBECONFIG", "")
			return nil
		},
	})
}
