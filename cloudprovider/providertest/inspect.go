package providertest

import (
	"bytes"
	"testing"
	"time"

	"github.com/tidemill/tidemill/cloudprovider"
)

func maintenanceListed(t *testing.T, b *bench) {
	i := optional[cloudprovider.Inspector](b)
	if b.Plan == nil {
		t.Skip("the cloud plans nothing")
	}
	id, other := b.AddPool("a", 3), b.AddPool("b", 1)
	ids := b.wantRunning(id, 3)
	if list, err := i.Maintenance(b.ctx, id); err != nil || len(list) > 0 {
		t.Fatalf("nothing is planned: %+v, %v", list, err)
	}
	soon, late := time.Now().Add(time.Hour).Truncate(time.Second), time.Now().Add(72*time.Hour).Truncate(time.Second)
	b.Plan(ids[0], late)
	b.Plan(ids[2], soon)
	var list []cloudprovider.Maintenance
	b.eventually(func() bool {
		var err error
		list, err = i.Maintenance(b.ctx, id)
		b.ok(err)
		return len(list) == 2
	}, func() string { return "maintenance of two machines is not listed" })
	if list[0].Instance != ids[2] || !list[0].Start.Equal(soon) || list[1].Instance != ids[0] || !list[1].Start.Equal(late) {
		t.Errorf("listed %+v, want %s at %s and %s at %s", list, ids[2], soon, ids[0], late)
	}
	for _, m := range list {
		if m.Effect != cloudprovider.EffectReboot || m.Started {
			t.Errorf("a reboot that is planned is %+v", m)
		}
	}
	if list, err := i.Maintenance(b.ctx, other); err != nil || len(list) > 0 {
		t.Errorf("another pool's: %+v, %v", list, err)
	}
	b.RemovePool(id)
	_, err := i.Maintenance(b.ctx, id)
	b.want(err, cloudprovider.ErrNotFound)
}

func consoleRead(t *testing.T, b *bench) {
	i := optional[cloudprovider.Inspector](b)
	if b.Console == nil {
		t.Skip("the cloud has no consoles")
	}
	id, other := b.AddPool("a", 2), b.AddPool("b", 1)
	ids := b.wantRunning(id, 2)
	b.Console(ids[0], "Kernel panic - not syncing")
	text, err := i.Console(b.ctx, id, ids[0])
	if b.ok(err); string(text) != "Kernel panic - not syncing" {
		t.Errorf("console %.100q", text)
	}
	// The end is what matters of a console that is too long.
	b.Console(ids[1], "first"+string(bytes.Repeat([]byte("x"), 1<<20))+"last")
	text, err = i.Console(b.ctx, id, ids[1])
	if b.ok(err); len(text) > 1<<20 || !bytes.HasSuffix(text, []byte("last")) {
		t.Errorf("%d bytes of console, ending in %.20q", len(text), text[max(len(text)-20, 0):])
	}
	_, err = i.Console(b.ctx, id, cloudprovider.Placeholder(id, 1))
	b.want(err, cloudprovider.ErrInvalid)
	_, err = i.Console(b.ctx, id, "no-such-instance")
	b.want(err, cloudprovider.ErrNotFound)
	_, err = i.Console(b.ctx, other, ids[0])
	b.want(err, cloudprovider.ErrNotFound)
}
