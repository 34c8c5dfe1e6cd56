package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider/oke"
)

const (
	// pricesAge is how long a list is used before the ConfigMap is read again.
	pricesAge = time.Minute
	// pricesWait is how long a look at the pools may wait for it.
	pricesWait = 5 * time.Second
	// pricesKey is the ConfigMap's key that holds the list.
	pricesKey = "prices"
)

// priceBook is the price list: the shipped one, with what a ConfigMap says over
// it. Without the ConfigMap, or while it cannot be read, what was last known
// counts: prices decide which pool grows first, and never whether one may.
type priceBook struct {
	namespace, name string
	log             *slog.Logger

	mu     sync.Mutex // guards the fields below
	reader client.Reader
	read   time.Time
	said   string // what was last told of the ConfigMap, told once
	prices oke.Prices
}

// openPrices takes "namespace/name"; "" is the shipped list alone.
func openPrices(ref string, log *slog.Logger) (*priceBook, error) {
	b := &priceBook{log: log, prices: oke.ShippedPrices()}
	if ref == "" {
		return b, nil
	}
	var ok bool
	if b.namespace, b.name, ok = strings.Cut(ref, "/"); !ok || b.namespace == "" || b.name == "" || strings.Contains(b.name, "/") {
		return nil, usage(fmt.Errorf("--prices %q is not namespace/name of a ConfigMap", ref))
	}
	return b, nil
}

// from says where ConfigMaps are read. Until then the shipped list counts.
func (b *priceBook) from(r client.Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reader = r
}

// now is the list that counts now.
func (b *priceBook) now() oke.Prices {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reader != nil && b.name != "" && (b.read.IsZero() || time.Since(b.read) >= pricesAge) {
		b.read = time.Now()
		b.refresh()
	}
	return b.prices
}

// refresh is called with mu held: whoever else wants the list waits for it.
func (b *priceBook) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), pricesWait)
	defer cancel()
	var m corev1.ConfigMap
	switch err := b.reader.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: b.name}, &m); {
	case apierrors.IsNotFound(err):
		b.prices = oke.ShippedPrices()
		b.tell(slog.LevelDebug, "no price list of your own: the shipped one counts")
		return
	case err != nil:
		b.tell(slog.LevelWarn, "read price list: "+err.Error())
		return
	}
	prices, errs := oke.ShippedPrices().Override(m.Data[pricesKey])
	b.prices = prices
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	for _, key := range slices.Sorted(maps.Keys(m.Data)) {
		if key != pricesKey {
			lines = append(lines, fmt.Sprintf("key %q is not read, %q is", key, pricesKey))
		}
	}
	if len(lines) > 0 {
		b.tell(slog.LevelWarn, "price list: "+strings.Join(lines, "; "))
		return
	}
	b.tell(slog.LevelInfo, "price list read")
}

// tell says a thing once.
func (b *priceBook) tell(level slog.Level, what string) {
	if b.said != what {
		b.said = what
		b.log.Log(context.Background(), level, what, "configMap", b.namespace+"/"+b.name)
	}
}
