package push_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/task"
)

// pushing pushes tasks by a clock of its own.
type pushing struct {
	t   *testing.T
	p   *push.Pusher
	now atomic.Pointer[time.Time]
}

func newPushing(t *testing.T, slots int) *pushing {
	x := &pushing{t: t}
	start := time.Now()
	x.now.Store(&start)
	x.p = newPusher(t, push.Config{Slots: slots, Now: func() time.Time { return *x.now.Load() }})
	return x
}

func (x *pushing) later(d time.Duration) {
	now := x.now.Load().Add(d)
	x.now.Store(&now)
}

// push sends a new task.
func (x *pushing) push(url string) task.Outcome { return x.again(task.ID(uuid.New()), url) }

func (x *pushing) again(id task.ID, url string) task.Outcome {
	c := claimed("{}")
	c.ID = id
	return x.p.Execute(x.t.Context(), c, &task.Spec{Kind: task.HTTP, URL: url + "/hook", Timeout: 10 * time.Second})
}

// host is the only one that was pushed to.
func (x *pushing) host() pace.Stats {
	for _, s := range x.p.Stats() {
		return s
	}
	return pace.Stats{}
}

func putOff(o task.Outcome) bool {
	return o.Class == task.Throttle && o.Why == task.PutOff && o.Code == 0
}

func TestAHostThatIsAwayIsLeftAloneAndNeverHalved(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	x, url := newPushing(t, 64), "http://"+address
	for range 5 {
		require.Equal(t, task.Failure, x.push(url).Class, "a few may tell of themselves")
	}
	o := x.push(url)
	require.True(t, putOff(o), o.Error)
	require.Equal(t, task.CauseRefused, o.Cause)
	require.GreaterOrEqual(t, o.RetryAfter, time.Second)
	require.Contains(t, o.Error, "connection refused")
	s := x.host()
	require.Equal(t, []any{pace.Paused, pace.Unreachable, 64, int64(5), int64(1)}, []any{s.State, s.Why, s.Limit, s.Failed, s.PutOff})
	require.Equal(t, *x.now.Load(), s.Since)

	x.later(time.Second)
	require.Equal(t, task.Failure, x.push(url).Class, "one asks whether it is back")
	require.True(t, putOff(x.push(url)))

	l, err = net.Listen("tcp4", address)
	require.NoError(t, err)
	app := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	app.Start()
	defer app.Close()
	x.later(2 * time.Second)
	require.Equal(t, int32(404), x.push(url).Code)
	require.Equal(t, pace.Open, x.host().State)
}

func TestAHostIsOpenAgainAsSoonAsThereIsAConnection(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	x, url := newPushing(t, 64), "http://"+address
	for range 6 {
		x.push(url)
	}
	require.Equal(t, pace.Paused, x.host().State)
	l, err = net.Listen("tcp4", address)
	require.NoError(t, err)
	var arrived atomic.Int64
	hold := make(chan struct{})
	app := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Add(1)
		<-hold
	})}}
	app.Start()
	defer app.Close()
	x.later(time.Minute)
	var both sync.WaitGroup
	defer both.Wait()
	defer close(hold)
	for i := range 2 { // the second is let in while the first is still being answered
		both.Go(func() { x.push(url) })
		require.Eventually(t, func() bool { return arrived.Load() == int64(i+1) }, 10*time.Second, time.Millisecond)
	}
}

// The others of one burst tell of the same trouble.
func TestAHostThatIsBusyGetsHalfOnceForABurst(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		var arrived sync.WaitGroup
		arrived.Add(10)
		app := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			arrived.Done()
			arrived.Wait()
			w.WriteHeader(status)
		})
		x := newPushing(t, 64)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { require.Equal(t, task.Failure, x.push(app.URL).Class) })
		}
		all.Wait()
		s := x.host()
		require.Equal(t, []any{32, pace.Slow, pace.Throttled}, []any{s.Limit, s.State, s.Why})
		require.Contains(t, s.Text, http.StatusText(status))
	}
}

func TestAHostIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	app := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	x := newPushing(t, 64)
	ask := func(after string) task.Outcome {
		c := claimed("{}")
		c.ID = task.ID(uuid.New())
		return x.p.Execute(t.Context(), c, &task.Spec{Kind: task.HTTP, URL: app.URL + "/?after=" + after, Timeout: 10 * time.Second})
	}
	require.Equal(t, 30*time.Second, ask("30").RetryAfter)
	require.Equal(t, int32(429), ask("30").Code, "one task alone may be told of itself")
	o := ask("30")
	require.True(t, putOff(o), o.Error)
	require.GreaterOrEqual(t, o.RetryAfter, 30*time.Second)
	require.Less(t, o.RetryAfter, 36*time.Second)
	require.Equal(t, x.now.Load().Add(30*time.Second), x.host().Paused)

	x.later(30 * time.Second)
	require.Equal(t, time.Hour, ask("3600").RetryAfter)
	require.Equal(t, x.now.Load().Add(5*time.Minute), x.host().Paused, "others are not held back for longer at a time")
}

// A route, or an account, that has had enough does not stop the others.
func TestAHostThatAnswersOthersIsNotLeftAlone(t *testing.T) {
	app := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/limited/hook" {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	x := newPushing(t, 64)
	for range 30 {
		require.Equal(t, int32(429), x.push(app.URL+"/limited").Code)
		require.Equal(t, task.Success, x.push(app.URL).Class)
	}
	require.NotEqual(t, pace.Paused, x.host().State)
}

func TestWhatAnAppSaysOfATaskHoldsNoOtherBack(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Sendoff-Retry", "yes")
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer app.Close()
	x := newPushing(t, 64)
	for range 40 {
		o := x.push(app.URL)
		require.Equal(t, task.Throttle, o.Class)
		require.Equal(t, int32(503), o.Code)
	}
	s := x.host()
	require.Equal(t, []any{64, pace.Open}, []any{s.Limit, s.State})
}

func TestAHostIsSlowedByErrorsOnlyWhenMostFail(t *testing.T) {
	var n, every atomic.Int64
	app := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%every.Load() == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	x := newPushing(t, 8)
	every.Store(3)
	for range 60 {
		x.push(app.URL)
	}
	require.Equal(t, pace.Open, x.host().State, "a third of them fails")
	every.Store(1)
	for range 15 {
		require.Equal(t, int32(500), x.push(app.URL).Code)
	}
	s := x.host()
	require.Equal(t, []any{pace.Slow, pace.Errors, 1}, []any{s.State, s.Why, s.Limit})
	for range 10 {
		x.push(app.URL)
	}
	require.Equal(t, pace.Paused, x.host().State)
	require.True(t, putOff(x.push(app.URL)))

	every.Store(1_000_000)
	x.later(time.Second)
	require.Equal(t, task.Success, x.push(app.URL).Class)
	require.Equal(t, pace.Slow, x.host().State, "it has to show how many it can take")
	require.True(t, x.p.Reset(app.URL))
	require.False(t, x.p.Reset("http://elsewhere"))
	s = x.host()
	require.Equal(t, []any{pace.Open, 8}, []any{s.State, s.Limit})
}

func TestOneTaskThatFailsAlwaysHoldsNoOtherBack(t *testing.T) {
	app := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	x := newPushing(t, 64)
	id := task.ID(uuid.New())
	for range 100 {
		require.Equal(t, int32(500), x.again(id, app.URL).Code)
	}
	require.NotEqual(t, pace.Paused, x.host().State)
}

func TestAHostThatHangsLeavesRoomForOthers(t *testing.T) {
	hold := make(chan struct{})
	var under atomic.Int64
	hanging := serve(t, func(http.ResponseWriter, *http.Request) { under.Add(1); <-hold })
	second := serve(t, func(http.ResponseWriter, *http.Request) { under.Add(1); <-hold })
	well := serve(t, func(http.ResponseWriter, *http.Request) {})
	x := newPushing(t, 64)
	var all sync.WaitGroup
	defer all.Wait()
	defer close(hold)
	begin := func(url string, n int) (begun int64) {
		before := under.Load()
		var off, ended atomic.Int64
		for range n {
			all.Go(func() {
				if putOff(x.push(url)) {
					off.Add(1)
				}
				ended.Add(1)
			})
		}
		require.Eventually(t, func() bool { return under.Load()-before+ended.Load() == int64(n) }, 10*time.Second, time.Millisecond)
		require.Equal(t, ended.Load(), off.Load())
		return under.Load() - before
	}
	require.EqualValues(t, 48, begin(hanging.URL, 64), "three quarters of the slots")
	require.EqualValues(t, 12, begin(second.URL, 16), "three quarters of the rest")
	require.Equal(t, task.Success, x.push(well.URL).Class)

	began := time.Now()
	for range 100 {
		require.True(t, putOff(x.push(hanging.URL)))
	}
	require.Less(t, time.Since(began), 15*time.Second, "nothing has moved for long: none of them even waits for a quarter of a second")
}

// What has no room comes back about as fast as the host takes it, not all at once.
func TestWhatIsPutOffComesBackOneAfterTheOther(t *testing.T) {
	hold := make(chan struct{})
	app := serve(t, func(http.ResponseWriter, *http.Request) { <-hold })
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	x := newPushing(t, 1)
	done := make(chan task.Outcome, 1)
	go func() { done <- x.push(app.URL) }()
	require.Eventually(t, func() bool { return x.host().InFlight == 1 }, 10*time.Second, time.Millisecond)
	require.True(t, putOff(x.push(app.URL)))
	var last time.Duration
	for range 1000 {
		o := x.push(app.URL)
		require.True(t, putOff(o))
		last = o.RetryAfter
	}
	require.Greater(t, last, 5*time.Second)
	require.Less(t, last, 7*time.Second)
	release()
	require.Equal(t, task.Success, (<-done).Class)
}

func TestAPushThatIsStoppedWhileItWaitsSaysSo(t *testing.T) {
	hold := make(chan struct{})
	app := serve(t, func(http.ResponseWriter, *http.Request) { <-hold })
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	x := newPushing(t, 1)
	done := make(chan task.Outcome, 1)
	go func() { done <- x.push(app.URL) }()
	require.Eventually(t, func() bool { return x.host().InFlight == 1 }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := x.p.Execute(ctx, claimed("{}"), &task.Spec{Kind: task.HTTP, URL: app.URL})
	require.Equal(t, task.Interrupt, o.Class, o.Error)
	release()
	<-done
}
