// Package charttest renders the Helm chart as helm does and compares what comes
// out with the plain manifests beside it: whoever installs by chart gets the same
// objects, the same rights and the same security context as whoever installs with
// kubectl.
//
//	values.yaml + changes ─► chart engine ─► objects ─┬─► equal to ../*.yaml?
//	                                                  └─► ../chart/testdata/*.yaml (-update)
//
// The rendered files are applied to a real API server by the stories of
// internal/e2e, which cannot have the chart engine in their module.
package charttest
