package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/tidemill/tidemill/api/v1alpha1"
)

// Pods without kubelets serve nothing, so the story serves for them:
//
//	pod Running and Ready ──► an HTTP server of its own on loopback, until the pod's end
//	EndpointSlices        ──► the client outside knows which pods there are
//	client                ──► asks one after the other, counts what fails
//
// The server ends when the pod's object is gone, as a program does at the end of
// its grace; the client learns of the pod's leaving by the EndpointSlice alone, as a
// load balancer does.
type traffic struct {
	mu      sync.Mutex
	servers map[string]*http.Server // by pod
	at      map[string]string       // by pod: its server's address
	slices  map[string][]string     // by EndpointSlice: its ready pods

	asked, failed int
	last          error
}

// begin serves and asks until ctx ends.
func (tr *traffic) begin(ctx context.Context, set kubernetes.Interface, service string) error {
	tr.clear()
	factory := informers.NewSharedInformerFactoryWithOptions(set, 0, informers.WithNamespace(shop))
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { tr.pod(o.(*corev1.Pod), service) },
		UpdateFunc: func(_, o any) { tr.pod(o.(*corev1.Pod), service) },
		DeleteFunc: func(o any) { tr.end(keyOf(o).Name) },
	})
	if err != nil {
		return err
	}
	_, err = factory.Discovery().V1().EndpointSlices().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { tr.slice(o.(*discoveryv1.EndpointSlice), service) },
		UpdateFunc: func(_, o any) { tr.slice(o.(*discoveryv1.EndpointSlice), service) },
		DeleteFunc: func(o any) {
			tr.mu.Lock()
			defer tr.mu.Unlock()
			delete(tr.slices, keyOf(o).Name)
		},
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go tr.ask(ctx)
	return nil
}

func (tr *traffic) clear() {
	tr.servers, tr.at, tr.slices = map[string]*http.Server{}, map[string]string{}, map[string][]string{}
}

// pod starts a server for a pod that has become ready.
func (tr *traffic) pod(p *corev1.Pod, service string) {
	if p.Labels["app"] != service || !viewPod(p).Ready {
		return
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.servers[p.Name] != nil {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tr.last = err
		return
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, p.Name) }), ReadHeaderTimeout: time.Second}
	tr.servers[p.Name], tr.at[p.Name] = server, l.Addr().String()
	go func() { _ = server.Serve(l) }()
}

// end is the end of the pod's program.
func (tr *traffic) end(pod string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if s := tr.servers[pod]; s != nil {
		_ = s.Close()
		delete(tr.servers, pod)
	}
}

func (tr *traffic) slice(e *discoveryv1.EndpointSlice, service string) {
	if e.Labels[discoveryv1.LabelServiceName] != service {
		return
	}
	var ready []string
	for _, p := range e.Endpoints {
		if p.TargetRef != nil && p.Conditions.Ready != nil && *p.Conditions.Ready {
			ready = append(ready, p.TargetRef.Name)
		}
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.slices[e.Name] = ready
}

// ask asks the ready pods in turn, some hundred times a second.
func (tr *traffic) ask(ctx context.Context) {
	outside := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		tr.mu.Lock()
		var ready []string
		for _, list := range tr.slices {
			ready = append(ready, list...)
		}
		var err error
		to := ""
		if len(ready) > 0 {
			to = tr.at[ready[i%len(ready)]]
		}
		tr.mu.Unlock()
		if to == "" {
			err = errors.New("no pod is ready")
		} else {
			var r *http.Response
			if r, err = outside.Get("http://" + to); err == nil {
				_, err = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
		}
		if ctx.Err() != nil {
			return
		}
		tr.mu.Lock()
		tr.asked++
		if err != nil {
			tr.failed, tr.last = tr.failed+1, err
		}
		tr.mu.Unlock()
	}
}

// count is how many were asked, and how many failed.
func (tr *traffic) count() (asked, failed int, last error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.asked, tr.failed, tr.last
}

// nothingFailsOutside: three replicas with a budget serve a client outside, and not
// one request fails while every node under them is replaced.
func nothingFailsOutside(ctx context.Context, s *Stage, pool string) error {
	web := in(pool, Workload{Name: "served", Replicas: 3, Spare: 1})
	if err := s.settled(ctx, web); err != nil {
		return err
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: web.Name},
		Spec: corev1.ServiceSpec{Selector: web.labels(), Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt(8080)}}}}
	if err := s.Client.Create(ctx, service); err != nil {
		return err
	}
	set, err := kubernetes.NewForConfig(s.fastConfig())
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	tr := &traffic{}
	if err := tr.begin(running, set, web.Name); err != nil {
		return err
	}
	if err := s.Wait(ctx, "the first answers", 2*time.Minute, func(context.Context) (bool, string, error) {
		asked, failed, _ := tr.count()
		return asked-failed >= 10, fmt.Sprintf("%d asked, %d failed", asked, failed), nil
	}); err != nil {
		return err
	}
	asked, failed, _ := tr.count() // before it served, it could not
	result, err := s.Turn(ctx, Turn{Pool: pool, Key: v1alpha1.AnnotationCycle, Value: "go", Load: &web})
	if err != nil {
		return err
	}
	end, failedToo, last := tr.count()
	if failedToo > failed || end-asked < 100 {
		return fmt.Errorf("%d of %d requests failed: %w", failedToo-failed, end-asked, last)
	}
	s.Checked("%d requests, 0 failed, while %d nodes were replaced in %.1f s", end-asked, result.nodes, result.took.Seconds())
	return nil
}
