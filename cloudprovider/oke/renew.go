package oke

import "github.com/tidemill/tidemill/cloudprovider"

// mark is what renew remembers of a machine: that OKE was working on it, and the
// version it ran.
type mark struct {
	working    bool
	kubernetes string
}

// mostMarks bounds the marks of machines that are gone. Without one a machine is
// as old as the list, a minute.
const mostMarks = 10_000

// renew forgets what is known of machines that OKE has worked on, or that have
// another version than before: a new boot volume leaves a machine its OCID and
// gives it another image.
//
// The crash story: the node comes back with the new version, at once, and with
// the old image, out of memory, for as long as a list is young. Whoever compares
// both with the pool's release finds it outdated still and does it all again.
func (v *inventory) renew(list []cloudprovider.Instance) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, in := range list {
		if in.ID.Placeholder() {
			continue
		}
		before, now := v.marks[string(in.ID)], mark{in.State == cloudprovider.Creating, in.Release.Kubernetes}
		if (before.working && !now.working) || (before.kubernetes != "" && before.kubernetes != now.kubernetes) {
			delete(v.machines, string(in.ID))
		}
		v.mark(string(in.ID), now)
	}
}

// expect is for a change that may begin and end between two looks.
func (v *inventory) expect(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := v.marks[id]
	m.working = true
	v.mark(id, m)
}

// mark is called with mu held.
func (v *inventory) mark(id string, m mark) {
	if v.marks == nil || len(v.marks) >= mostMarks {
		v.marks = map[string]mark{}
	}
	v.marks[id] = m
}
