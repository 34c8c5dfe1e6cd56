package cloudprovider

import "context"

// What is asked for may be so already when a provider comes to it: the service has taken
// the machine away itself, or somebody in the Console has. That is no failure. But who
// reckons with what the request would have done, one node fewer for one, has to know that
// it was never carried out.

type foundKey struct{}

// Found is what a provider found done without having done it.
type Found struct {
	// Gone is how many of the instances to delete were gone.
	Gone int
}

// Finding gives a context under which a provider notes what it finds done, and the note.
// It is for one change.
func Finding(ctx context.Context) (context.Context, *Found) {
	f := &Found{}
	return context.WithValue(ctx, foundKey{}, f), f
}

// FoundGone notes that an instance was gone before any request to delete it can have been
// carried out. Nobody may be asking.
func FoundGone(ctx context.Context) {
	if f, ok := ctx.Value(foundKey{}).(*Found); ok {
		f.Gone++
	}
}
