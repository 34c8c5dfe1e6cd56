package sim

import (
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A blindfold is put on a world that sleeps: its watches of Nodes hang for four minutes,
// and somebody does something to a Node meanwhile.
type blindfold struct {
	put    bool
	before time.Time // when the doctor looked last before he was told
	told   time.Time
	looked time.Time // when he looked first since
}

func (b *blindfold) story(w *World) {
	const asleep = 15 * time.Minute // when scaling has done what it has to do
	w.errandIn(asleep, "the watches of Nodes hang", func() { w.blind("/nodes?"); b.put = true })
	w.errandIn(asleep+30*time.Second, "writes on a node", func() {
		w.api.Edit(w.nodeOf(w.kubelets[w.order[0]]), func(o client.Object) { set(o, "example.com/note", "unseen") })
	})
	w.errandIn(asleep+6*time.Minute, "goes home", func() {}) // the world does not end before
}

// hear is told what happens, in the world's own time.
func (b *blindfold) hear(step string) {
	if !b.put {
		return
	}
	switch now := time.Now(); {
	case strings.Contains(step, " event ") && strings.Contains(step, "/nodes?") && b.told.IsZero():
		b.told = now
	case strings.Contains(step, " doctor LOOK ") && b.told.IsZero():
		b.before = now
	case strings.Contains(step, " doctor LOOK ") && b.looked.IsZero():
		b.looked = now
	}
}

// Left alone he would look a minute and a half later.
func TestWhatWasKeptBackIsNews(t *testing.T) {
	b := &blindfold{}
	o := options(1)
	o.Gentle, o.Story, o.Trace = true, b.story, b.hear
	if r := Run(t, o); r.Violation != nil {
		t.Error(r)
	}
	if b.looked.IsZero() {
		t.Fatal("nobody was told, or nobody looked")
	}
	slept, woke := b.told.Sub(b.before), b.looked.Sub(b.told)
	if slept < 2*beat || woke > beat {
		t.Errorf("the doctor had last looked %s before he was told, and looked %s after it", slept, woke)
	}
}
