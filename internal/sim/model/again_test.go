package model

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// both applies by the short way and by the field managers', and wants the same.
func both(t *testing.T, s *Server, path, manager, body string, force bool) (short bool) {
	t.Helper()
	at, _ := s.resolve(path)
	o := at.objects[key(at.namespace, at.name)]
	f := at.owners
	if at.sub == "status" {
		f = at.statusOwners
	}
	read := func() *unstructured.Unstructured {
		var u unstructured.Unstructured
		if err := json.Unmarshal([]byte(body), &u.Object); err != nil {
			t.Fatal(err)
		}
		return &u
	}
	got := at.again(f, plant(at.GroupVersionKind, o.Object), read(), manager)
	if got == nil {
		return false
	}
	live := plant(at.GroupVersionKind, o.Object)
	want, err := f.Apply(live, read(), manager, force)
	if err != nil {
		t.Errorf("%s applies %s: the short way goes, the other one not: %v", manager, body, err)
		return true
	}
	if d := cmp.Diff(want.(*sapling).tree, got.tree); d != "" {
		t.Errorf("%s applies %s to %v: %s", manager, body, live.tree, d)
	}
	if d := cmp.Diff(want.(*sapling).ManagedFields, got.ManagedFields); d != "" {
		t.Errorf("%s applies %s to %v: the book: %s", manager, body, live.tree, d)
	}
	return true
}

// patchOf is what somebody applies or writes: few fields, so that they meet.
func patchOf(r *rand.Rand, kind string, apply bool) (path, body string) {
	some := func(n int, of func(int) string) string {
		var out []string
		for i := range n {
			if r.IntN(3) > 0 {
				out = append(out, of(i))
			}
		}
		return strings.Join(out, ",")
	}
	head := ""
	if apply {
		head = map[string]string{"nodes": `"apiVersion":"v1","kind":"Node",`, "pools": `"apiVersion":"tidemill.dev/v1alpha1","kind":"Pool",`}[kind]
	}
	meta := func() string {
		return fmt.Sprintf(`"metadata":{"name":"a","labels":{%s},"annotations":{%s},"finalizers":[%s]}`,
			some(2, func(i int) string { return fmt.Sprintf(`"l%d":"%d"`, i, r.IntN(3)) }),
			some(2, func(i int) string { return fmt.Sprintf(`"a%d":"%d"`, i, r.IntN(2)) }),
			some(2, func(i int) string { return fmt.Sprintf(`"x.y/f%d"`, i) }))
	}
	list := func(n int, item string) string {
		return some(n, func(i int) string {
			return fmt.Sprintf(item, i, []string{"True", "False", "Unknown"}[r.IntN(3)], []string{"A", "B"}[r.IntN(2)])
		})
	}
	switch {
	case kind == "nodes" && r.IntN(2) == 0:
		return nodes + "/a", fmt.Sprintf(`{%s%s,"spec":{"unschedulable":%t,"taints":[%s]}}`, head, meta(), r.IntN(2) == 0, list(2, `{"key":"k%d","value":"%s%s","effect":"NoSchedule"}`))
	case kind == "nodes":
		return nodes + "/a/status", fmt.Sprintf(`{%s"metadata":{"name":"a"},"status":{"capacity":{%s},"conditions":[%s]}}`, head,
			some(2, func(i int) string { return fmt.Sprintf(`"r%d":"%d"`, i, r.IntN(2)) }), list(3, `{"type":"c%d","status":"%s","reason":"%s"}`))
	case r.IntN(2) == 0:
		return pools + "/a", fmt.Sprintf(`{%s%s,"spec":{"nodePoolID":"ocid1.nodepool.oc1..a"}}`, head, meta())
	}
	return pools + "/a/status", fmt.Sprintf(`{%s"metadata":{"name":"a"},"status":{"observedGeneration":%d,"conditions":[%s]}}`, head, r.IntN(2),
		list(3, `{"type":"c%d","status":"%s","reason":"%s","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}`))
}

// Whatever has been written before, by whomever: where the short way goes at all it
// comes to what the field managers come to.
func TestApplyAgain(t *testing.T) {
	for kind, seed := range map[string]string{"nodes": `{"metadata":{"name":"a"}}`, "pools": `{"metadata":{"name":"a"},"spec":{"nodePoolID":"ocid1.nodepool.oc1..a"}}`} {
		synctest.Test(t, func(t *testing.T) {
			r, shorts, all, taken := rand.New(rand.NewPCG(7, 11)), 0, 0, 0
			for range 12 {
				s := newServer(t)
				if code, said := ask(s, "POST "+map[string]string{"nodes": nodes, "pools": pools}[kind], seed); code != 201 {
					t.Fatal(code, said)
				}
				last := map[string]string{}
				for range 60 {
					time.Sleep(time.Duration(r.IntN(3)) * time.Second)
					manager := []string{"x", "y", "kubelet"}[r.IntN(3)]
					if r.IntN(6) == 0 {
						path, body := patchOf(r, kind, false)
						ask(s, "PATCH "+path+"?fieldManager="+manager, "merge: "+body)
						continue
					}
					path, body := patchOf(r, kind, true)
					if was, ok := last[manager+path]; ok && r.IntN(3) > 0 {
						body = was
						if r.IntN(2) == 0 {
							body = strings.NewReplacer(`"True"`, `"Unknown"`, `"False"`, `"True"`, `:"1"`, `:"0"`, `"A"`, `"B"`).Replace(was)
						}
					}
					last[manager+path] = body
					force := r.IntN(2) == 0
					if all++; both(t, s, path, manager, body, force) {
						shorts++
					}
					if t.Failed() {
						return
					}
					if code, _ := ask(s, fmt.Sprintf("PATCH %s?fieldManager=%s&force=%t", path, manager, force), "apply: "+body); code == 200 {
						taken++
					}
				}
			}
			if shorts < all/10 || taken < all/2 {
				t.Errorf("%s: of %d applies %d went the short way, %d were taken", kind, all, shorts, taken)
			}
			t.Logf("%s: of %d applies %d went the short way, %d were taken", kind, all, shorts, taken)
		})
	}
}
