package agent

import "testing"

// Only what is mapped from the binary and was never written may be dropped.
func TestUnwritten(t *testing.T) {
	const self = "/tidemill-doctor"
	for line, want := range map[string]bool{
		"00400000-01f00000 r-xp 00000000 fd:00 12 /tidemill-doctor\n": true,
		"01f00000-03000000 r--p 01b00000 fd:00 12 /tidemill-doctor\n": true,
		"03000000-03100000 rw-p 02c00000 fd:00 12 /tidemill-doctor\n": false,
		"03000000-03100000 r--s 02c00000 fd:00 12 /tidemill-doctor\n": false,
		"7f0000000000-7f0000100000 r-xp 00000000 fd:00 9 /lib/libc\n": false,
		"c000000000-c000400000 r--p 00000000 00:00 0 \n":              false,
		"zz-01f00000 r-xp 00000000 fd:00 12 /tidemill-doctor\n":       false,
		"": false,
	} {
		if _, _, ok := unwritten(line, self); ok != want {
			t.Errorf("%q: %t", line, ok)
		}
	}
	if err := shed(); err != nil {
		t.Error(err)
	}
	if got := len(every.String()); got == 0 {
		t.Error("the process does not work any more")
	}
}

// What the loader has relocated looks like any read-only part of the file; its
// anonymous pages give it away.
func TestRelocatedIsKept(t *testing.T) {
	const smaps = `00400000-01f00000 r-xp 00000000 fd:00 12 /tidemill-doctor
Size:              28672 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01f00000-01f10000 r--p 01b00000 fd:00 12 /tidemill-doctor
Size:                 64 kB
Anonymous:            16 kB
VmFlags: rd mr mw me ac
03000000-03100000 rw-p 02c00000 fd:00 12 /tidemill-doctor
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
`
	got := untouched(smaps, "/tidemill-doctor")
	if len(got) != 1 || got[0] != (mapping{0x400000, 0x1f00000}) {
		t.Errorf("would drop %x", got)
	}
}
