package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// bench is an engine over a new SQLite file.
type bundle struct {
	*engine.Engine
	db   *sqlite.Store
	stop func()
}

// open returns an engine that is not running yet; run starts it.
func open(t testing.TB, cfg engine.Config) *bundle {
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	return &bundle{Engine: e, db: db}
}

func (b *bundle) run(t testing.TB) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- b.Run(ctx) }()
	b.stop = func() {
		cancel()
		require.NoError(t, <-over)
		require.NoError(t, b.db.Close())
	}
}

func (b *bundle) submit(t testing.TB, handler string, change ...func(*engine.Task)) string {
	s := engine.Task{Handler: handler}
	for _, c := range change {
		c(&s)
	}
	r, err := b.Submit(context.Background(), s)
	require.NoError(t, err)
	require.Equal(t, engine.Created, r.Status)
	return r.ID
}

func (b *bundle) wait(t testing.TB, id string) string {
	got, err := b.Tasks().Wait(context.Background(), id, 24*time.Hour)
	require.NoError(t, err)
	return fmt.Sprintf("%s %s, %d attempts", got.State, got.Reason, got.Attempts)
}

func TestATypedHandlerRunsWithItsArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		type args struct{ Name string }
		got := make(chan string, 1)
		engine.Handle(b.Engine, "greet", func(ctx context.Context, a args) error {
			call, ok := engine.CallOf(ctx)
			require.True(t, ok)
			got <- fmt.Sprintf("%s, attempt %d", a.Name, call.Attempt)
			return nil
		})
		b.run(t)
		id := b.submit(t, "greet", func(s *engine.Task) { s.Body = []byte(`{"Name":"Ada"}`) })
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
		require.Equal(t, "Ada, attempt 1", <-got)
		b.stop()
	})
}

func TestAHandlersErrorDecidesWhatIsNext(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		fn     func(attempt int) error
		want   string
		atMost time.Duration
	}{
		{"an error is retried after the backoff", func(n int) error {
			if n < 3 {
				return boom
			}
			return nil
		}, "succeeded , 3 attempts", 5 * time.Second},
		{"a permanent error fails at once", func(int) error { return sendoff.Permanent(boom) }, "failed rejected, 1 attempts", time.Second},
		{"attempts run out", func(int) error { return boom }, "failed exhausted, 4 attempts", 20 * time.Second},
		{"a panic is an error", func(n int) error {
			if n == 1 {
				panic("help")
			}
			return nil
		}, "succeeded , 2 attempts", 3 * time.Second},
		{"a wait that was asked for replaces the backoff", func(n int) error {
			if n == 1 {
				return sendoff.RetryAfter(boom, time.Minute)
			}
			return nil
		}, "succeeded , 2 attempts", time.Minute + 2*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, engine.Config{})
				var calls atomic.Int64
				b.HandleFunc("h", func(context.Context, *engine.Call) error { return tt.fn(int(calls.Add(1))) })
				b.run(t)
				started := time.Now()
				id := b.submit(t, "h", func(s *engine.Task) { s.Retry.MaxAttempts = 4 })
				require.Equal(t, tt.want, b.wait(t, id))
				require.Less(t, time.Since(started), tt.atMost)
				b.stop()
			})
		})
	}
}

func TestASnoozeSpendsNoAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		var calls atomic.Int64
		b.HandleFunc("h", func(context.Context, *engine.Call) error {
			if calls.Add(1) < 10 {
				return sendoff.Snooze(20 * time.Second)
			}
			return nil
		})
		b.run(t)
		id := b.submit(t, "h", func(s *engine.Task) { s.Retry.MaxAttempts = 1 })
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, id))
		b.stop()
	})
}

func TestADelayedTaskStartsWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		at := make(chan time.Time, 1)
		b.HandleFunc("h", func(context.Context, *engine.Call) error { at <- time.Now(); return nil })
		b.run(t)
		started := time.Now()
		b.submit(t, "h", func(s *engine.Task) { s.Delay = 2 * time.Minute })
		require.WithinDuration(t, started.Add(2*time.Minute), <-at, 10*time.Millisecond)
		b.stop()
	})
}

func TestAnExpiredTaskNeverStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{LocalSlots: 1})
		b.HandleFunc("slow", func(ctx context.Context, _ *engine.Call) error { time.Sleep(10 * time.Second); return nil })
		b.run(t)
		b.submit(t, "slow")
		synctest.Wait()
		id := b.submit(t, "slow", func(s *engine.Task) { s.ExpiresAt = time.Now().Add(5 * time.Second) })
		require.Equal(t, "failed expired, 0 attempts", b.wait(t, id))
		b.stop()
	})
}

func TestACanceledTaskIsToldToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		stopped := make(chan error, 1)
		b.HandleFunc("h", func(ctx context.Context, _ *engine.Call) error {
			<-ctx.Done()
			stopped <- context.Cause(ctx)
			return ctx.Err()
		})
		b.run(t)
		id := b.submit(t, "h")
		synctest.Wait()
		got, err := b.Tasks().Cancel(context.Background(), id)
		require.NoError(t, err)
		require.Equal(t, task.Canceled, got.State)
		require.ErrorContains(t, <-stopped, "canceled")
		b.stop()
	})
}

func TestAStopHandsBackWhatDoesNotEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{Grace: 5 * time.Second})
		b.HandleFunc("quick", func(context.Context, *engine.Call) error { time.Sleep(3 * time.Second); return nil })
		b.HandleFunc("slow", func(ctx context.Context, _ *engine.Call) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error)
		go func() { over <- b.Run(ctx) }()
		quick, slow := b.submit(t, "quick"), b.submit(t, "slow")
		time.Sleep(time.Second)
		started := time.Now()
		cancel()
		require.NoError(t, <-over)
		require.InDelta(t, 5, time.Since(started).Seconds(), 0.1)
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, quick))
		got, err := b.Tasks().Get(context.Background(), slow)
		require.NoError(t, err)
		require.Equal(t, "ready interrupted 0", fmt.Sprint(got.State, " ", got.Reason, " ", got.Failures))
		require.NoError(t, b.db.Close())
	})
}

func TestPrioritiesAreStrictButForASmallShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{LocalSlots: 1})
		order := make(chan int, 200)
		b.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
			order <- int(c.Labels["p"][0] - '0')
			time.Sleep(time.Millisecond)
			return nil
		})
		for _, p := range []int{9, 0} {
			for range 60 {
				b.submit(t, "h", func(s *engine.Task) {
					s.Priority = &p
					s.Labels = map[string]string{"p": fmt.Sprint(p)}
				})
			}
		}
		b.run(t)
		low := 0
		for range 60 {
			if receive(t, order, "the tasks go on, one after the other") == 9 {
				low++
			}
		}
		require.Positive(t, low, "the lowest priority starves")
		require.LessOrEqual(t, low, 6, "the highest priority does not come first")
		for range 60 {
			<-order
		}
		b.stop()
	})
}
