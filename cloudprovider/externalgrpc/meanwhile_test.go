package externalgrpc

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tidemill/tidemill/cloudprovider"
	"github.com/tidemill/tidemill/cloudprovider/externalgrpc/wire"
	"github.com/tidemill/tidemill/cloudprovider/fake"
)

// slowCloud tells of a call of one method and keeps it until it may go on.
type slowCloud struct {
	*fake.Cloud
	mu     sync.Mutex // guards the fields below
	method string
	came   chan struct{}
	goOn   chan struct{}
}

// hold keeps the next call of method.
func (c *slowCloud) hold(method string) (came, goOn chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.method, c.came, c.goOn = method, make(chan struct{}), make(chan struct{})
	return c.came, c.goOn
}

func (c *slowCloud) pass(method string) {
	c.mu.Lock()
	held := c.method == method
	came, goOn := c.came, c.goOn
	if held {
		c.method = ""
	}
	c.mu.Unlock()
	if held {
		close(came)
		<-goOn
	}
}

func (c *slowCloud) Instances(ctx context.Context, id cloudprovider.PoolID) ([]cloudprovider.Instance, error) {
	c.pass("Instances")
	return c.Cloud.Instances(ctx, id)
}

func (c *slowCloud) Resize(ctx context.Context, id cloudprovider.PoolID, from, to int) error {
	c.pass("Resize")
	return c.Cloud.Resize(ctx, id, from, to)
}

func slow(t *testing.T) (*served, *slowCloud, cloudprovider.PoolID) {
	t.Helper()
	c := &slowCloud{Cloud: fake.New(fake.Options{})}
	id := c.AddPool(fake.Pool{Size: 2})
	s := serveFleet(t, cloudprovider.NewFleet(c, cloudprovider.FleetOptions{}), Options{Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {1, 9}}}})
	s.cloud = c.Cloud
	s.look()
	return s, c, id
}

// A look that began before a write does not undo what is known from it.
func TestALookDoesNotUndoAWrite(t *testing.T) {
	s, c, id := slow(t)
	came, goOn := c.hold("Instances") // the look has read the pool's size by then
	looked := make(chan struct{})
	go func() { s.plugin.look(context.Background()); close(looked) }()
	<-came
	if _, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 3}); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	<-looked
	if n := s.size(id); n != 5 {
		t.Errorf("size %d after the late look, want 5", n)
	}
	s.look()
	if n, all := s.size(id), len(s.instances(id)); n != 5 || all != 5 {
		t.Errorf("size %d with %d instances after the next look, want 5 and 5", n, all)
	}
}

// A look that ends while a write is under way does not either.
func TestALookDuringAWrite(t *testing.T) {
	s, c, id := slow(t)
	came, goOn := c.hold("Resize")
	grown := make(chan error, 1)
	go func() {
		_, err := s.client.NodeGroupIncreaseSize(context.Background(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 3})
		grown <- err
	}()
	<-came
	s.look()
	close(goOn)
	if err := <-grown; err != nil {
		t.Fatal(err)
	}
	if n := s.size(id); n != 5 {
		t.Errorf("size %d, want 5", n)
	}
}

// A client that gives up does not break off the write, and the next read knows
// how it ended.
func TestAWriteOutlivesItsClient(t *testing.T) {
	s, c, id := slow(t)
	came, goOn := c.hold("Resize")
	ctx, giveUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { // not over the connection, which would tell of the end when it likes
		_, err := s.plugin.NodeGroupIncreaseSize(ctx, &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 3})
		gone <- err
	}()
	<-came
	giveUp()
	// Whoever waits behind it gives up for itself alone.
	_, err := s.plugin.NodeGroupIncreaseSize(ctx, &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 3})
	wantCode(t, err, codes.Canceled)
	close(goOn)
	if err := <-gone; err != nil {
		t.Fatal(err)
	}
	// The next write goes on from its size.
	if _, err := s.client.NodeGroupIncreaseSize(t.Context(), &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 1}); err != nil {
		t.Fatal(err)
	}
	if n := s.size(id); n != 6 {
		t.Errorf("size %d, want 6", n)
	}
}

// Deletions at the same time share one minimum.
func TestDeletionsAtTheSameTime(t *testing.T) {
	s, id := one(t, 8, 3, 9)
	var wg sync.WaitGroup
	var mu sync.Mutex
	codesSeen := map[codes.Code]int{}
	for _, in := range s.instances(id) {
		wg.Go(func() {
			err := s.delete(id, real(in.Id))
			mu.Lock()
			defer mu.Unlock()
			codesSeen[status.Code(err)]++
		})
	}
	wg.Wait()
	s.look()
	if diff := cmp.Diff(map[codes.Code]int{codes.OK: 5, codes.FailedPrecondition: 3}, codesSeen); diff != "" || len(s.instances(id)) != 3 {
		t.Errorf("%d left (-want +got):\n%s", len(s.instances(id)), diff)
	}
}

// The plugin looks on its own clock, and soon after a write.
func TestThePluginsOwnClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := fake.New(fake.Options{})
		id := cloud.AddPool(fake.Pool{Size: 2})
		p, err := New(Options{Fleet: cloudprovider.NewFleet(cloud, cloudprovider.FleetOptions{}), Interval: time.Minute, Selection: Selection{Nodes: map[cloudprovider.PoolID]Bounds{id: {1, 9}}}})
		if err != nil {
			t.Fatal(err)
		}
		cloud.FailNext("Pools", errors.New("away"))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- p.Run(ctx) }()
		looks := func() (n int) {
			synctest.Wait()
			for _, c := range cloud.Calls() {
				if c.Op == "Pools" {
					n++
				}
			}
			return n
		}
		if n := looks(); n != 1 || p.Ready() {
			t.Errorf("%d looks at the start, ready %v", n, p.Ready())
		}
		time.Sleep(impatient) // and no minute, while nothing is known
		if n := looks(); n != 2 || !p.Ready() {
			t.Errorf("%d looks after a moment, ready %v", n, p.Ready())
		}
		time.Sleep(time.Minute)
		if n := looks(); n != 3 {
			t.Errorf("%d looks after a minute", n)
		}
		if _, err := p.NodeGroupIncreaseSize(ctx, &wire.NodeGroupIncreaseSizeRequest{Id: string(id), Delta: 1}); err != nil {
			t.Fatal(err)
		}
		if n := looks(); n != 4 {
			t.Errorf("%d looks after a write", n)
		}
		time.Sleep(time.Minute - time.Second)
		if age := p.dataAge(); looks() != 4 || age != 59 {
			t.Errorf("%d looks, data %v seconds old", looks(), age)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
