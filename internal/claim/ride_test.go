package claim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// rider is a floor whose settles come a while after their attempts end, and whose claims
// ride as long as they may, or until a settle.
type rider struct {
	*floor
	settles chan struct{}
	rode    []time.Duration
}

func (r *rider) Claim(ctx context.Context, req store.ClaimRequest) (store.ClaimBatch, error) {
	if req.Rides != nil {
		since := time.Now()
		select {
		case <-req.Rides:
		case <-r.settles:
		}
		r.rode = append(r.rode, time.Since(since))
	}
	return r.floor.Claim(ctx, req)
}

// settle ends a task for good; its wake comes about when its claim does.
func (r *rider) settle(l *Loop, c *store.Claimed) {
	r.mu.Lock()
	_, woken, _ := r.Oracle.Settle(context.Background(), []store.Transition{{
		ID: c.ID, Token: c.Token, Flags: c.Flags, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded},
	}})
	r.mu.Unlock()
	select {
	case r.settles <- struct{}{}:
	default: // no claim rides
	}
	l.Wake(woken)
}

// runChain runs a loop over a chain of tasks; each settle takes a while to reach the floor.
func runChain(t *testing.T, length int, reach time.Duration) (r *rider, ran []task.ID) {
	h, stop := newRig(t, 1, 0)
	stop()
	r = &rider{floor: h.floor, settles: make(chan struct{})}
	for i := range length {
		d := h.draft(5)
		if i > 0 {
			d.Deps = []task.ID{{2, h.n - 1}}
		}
		h.insert(d)
	}
	var l *Loop
	l = New(Config{
		Name: "test", Room: Slots(10), Poll: time.Hour, Store: r, Lanes: func() []store.Lane { return []store.Lane{h.lane} },
		Node: func() (task.ID, bool) { return h.node, true },
		Execute: func(_ context.Context, c *store.Claimed, _ func()) (settle func()) {
			ran = append(ran, c.ID)
			return func() {
				time.Sleep(reach)
				r.settle(l, c)
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	r.claims = 0
	go func() { defer close(over); _ = l.Run(ctx) }()
	time.Sleep(time.Second)
	synctest.Wait()
	cancel()
	<-over
	l.Drain(context.Background(), nil)
	return r, ran
}

func TestAClaimRidesWithTheSettleThatOthersWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ran := runChain(t, 5, time.Microsecond)
		require.Len(t, ran, 5)
		require.Len(t, r.rode, 4)
		for _, took := range r.rode {
			require.Equal(t, time.Microsecond, took, "it waits for the settle and not for the answer to it")
		}
		require.Equal(t, 1+4+1, r.claims, "the first claim, one with each settle that others wait for, and the last, which closes: no claim for a wake of what was claimed before it came")
	})
}

// TestAClaimRidesWithTheInsertThatIsExpected by a loop that has nothing to do.
func TestAClaimRidesWithTheInsertThatIsExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, stop := newRig(t, 1, 0)
		stop()
		r := &rider{floor: h.floor, settles: make(chan struct{})}
		ran := 0
		l := New(Config{
			Name: "test", Room: Slots(10), Poll: time.Hour, Store: r, Lanes: func() []store.Lane { return []store.Lane{h.lane} },
			Node:    func() (task.ID, bool) { return h.node, true },
			Execute: func(context.Context, *store.Claimed, func()) func() { ran++; return nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = l.Run(ctx) }()
		synctest.Wait()
		r.claims = 0

		require.Nil(t, l.Expect(h.lane.ID+1, 5), "it is nobody's lane")
		over := l.Expect(h.lane.ID, 5)
		require.NotNil(t, over)
		require.Nil(t, l.Expect(h.lane.ID, 5), "one is on its way")
		time.Sleep(time.Millisecond) // the insert takes its time
		woken := h.insert(h.draft(5))
		r.settles <- struct{}{}
		synctest.Wait()
		l.Wake(woken)
		over()
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Millisecond}, r.rode)
		require.Equal(t, 1, ran)
		require.Equal(t, 1, r.claims, "none for the wake of what was claimed before it came")

		over = l.Expect(h.lane.ID, 5)
		over() // nothing was stored
		synctest.Wait()
		require.Equal(t, 2, r.claims)
		require.Equal(t, time.Duration(0), r.rode[1])
		cancel()
		<-ended
		l.Drain(context.Background(), nil)
	})
}

func TestASettleThatIsHeldUpHoldsNoClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ran := runChain(t, 2, 100*time.Millisecond)
		require.Len(t, ran, 2)
		require.Equal(t, []time.Duration{longestRide}, r.rode)
	})
}
