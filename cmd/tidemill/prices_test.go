package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tidemill/tidemill/cloudprovider/oke"
)

// oneMap is a cluster that has one ConfigMap, or an error.
type oneMap struct {
	client.Reader
	data  map[string]string
	err   error
	reads int
}

func (m *oneMap) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	m.reads++
	if m.err != nil {
		return m.err
	}
	if key.Namespace != "ns" || key.Name != "mine" || m.data == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
	}
	o.(*corev1.ConfigMap).Data = m.data
	return nil
}

// The list follows the ConfigMap, a minute late; what is wrong in it is said
// once, and what cannot be read changes nothing.
func TestPriceBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b, err := openPrices("ns/mine", slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		is := func(what, text string) {
			t.Helper()
			want, _ := oke.ShippedPrices().Override(text)
			if got := b.now(); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: another list", what)
			}
		}
		is("before there is a cluster", "")
		m := &oneMap{}
		b.from(m)
		is("no ConfigMap", "")
		m.data = map[string]string{"prices": "BM.GPU.H100.8 gpu=9\nVM.Standard.E4.Flex ocpu=cheap\n", "price": "x"}
		is("young", "")
		time.Sleep(pricesAge)
		is("one good line, one bad", "BM.GPU.H100.8 gpu=9")
		time.Sleep(pricesAge)
		is("again", "BM.GPU.H100.8 gpu=9")
		if said := log.String(); strings.Count(said, "line 2") != 1 || strings.Count(said, `key \"price\" is not read`) != 1 {
			t.Errorf("said:\n%s", said)
		}
		m.err = errors.New("boom")
		time.Sleep(pricesAge)
		is("unreadable", "BM.GPU.H100.8 gpu=9")
		m.err, m.data = nil, nil
		time.Sleep(pricesAge)
		is("deleted", "")
		if m.reads != 5 {
			t.Errorf("%d reads in 5 minutes", m.reads)
		}
	})
}

func TestOpenPrices(t *testing.T) {
	for _, bad := range []string{"mine", "/mine", "ns/", "a/b/c"} {
		if _, err := openPrices(bad, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	b, err := openPrices("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m := &oneMap{}
	b.from(m)
	if b.now(); m.reads != 0 {
		t.Error("a ConfigMap without a name was read")
	}
}
