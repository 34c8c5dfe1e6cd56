package fit

import (
	"fmt"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/tidemill/tidemill/internal/world"
)

// stocked is an informer factory whose stores are filled from the snapshot and
// that is never started: the plugins' listers read the stores, and no client
// and no goroutine is behind them.
func stocked(s *world.Snapshot) (informers.SharedInformerFactory, error) {
	f := informers.NewSharedInformerFactory(nil, 0)
	core, storage := f.Core().V1(), f.Storage().V1()
	return f, firstOf(
		fill(core.Namespaces().Informer(), s.Namespaces),
		fill(core.PersistentVolumeClaims().Informer(), s.PVCs),
		fill(core.PersistentVolumes().Informer(), s.PVs),
		fill(storage.StorageClasses().Informer(), s.StorageClasses),
		fill(storage.CSINodes().Informer(), s.CSINodes),
	)
}

func fill[T any](informer cache.SharedIndexInformer, objects []*T) error {
	for _, o := range objects {
		if err := informer.GetIndexer().Add(o); err != nil {
			return fmt.Errorf("store %T: %w", o, err)
		}
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
