package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// told is what a receiver of alerts is sent.
type told struct{ Text, Alert, State, Incident, Namespace, Subject, Node string }

// pager receives alerts that are signed.
type pager struct {
	*httptest.Server

	verify push.Verifier
	got    chan told
}

func newPager(t *testing.T) *pager {
	p := &pager{got: make(chan told, 100)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var a told
		if err == nil {
			err = p.verify.Verify(r, body)
		}
		if err == nil {
			err = json.Unmarshal(body, &a)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.got <- a
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *pager) next(t *testing.T) told {
	t.Helper()
	select {
	case a := <-p.got:
		require.NotEmpty(t, a.Text)
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("nobody is told")
		return told{}
	}
}

// running runs an engine over a store, which is closed with it.
func running(t *testing.T, db store.Store, cfg engine.Config, prepare func(*engine.Engine)) (e *engine.Engine, stop func()) {
	t.Helper()
	e, err := engine.New(db, cfg)
	require.NoError(t, err)
	if prepare != nil {
		prepare(e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-over)
		assert.NoError(t, db.Close())
	})
	t.Cleanup(stop)
	return e, stop
}

// TestAStuckQueueIsToldOnce, and once that it moves again, of two nodes and over a restart.
func TestAStuckQueueIsToldOnce(t *testing.T) {
	t.Parallel()
	dsn, p, keys := testkit.Postgres(t), newPager(t), filepath.Join(t.TempDir(), "keys")
	node := func(prepare func(*engine.Engine)) (*engine.Engine, func()) {
		db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		require.NoError(t, err)
		return running(t, db, engine.Config{
			AllowLoopback: true, KeysFile: keys, Alerts: engine.Alerts{URL: p.URL, Waited: time.Second, Every: 100 * time.Millisecond},
		}, prepare)
	}
	first, stopFirst := node(nil)
	_, stopSecond := node(nil)
	door := httptest.NewServer(first.Handler(engine.HandlerConfig{}))
	p.verify.KeysURL = door.URL
	late, err := first.Submit(t.Context(), engine.Task{Handler: "nobody", Queue: "mail"})
	require.NoError(t, err)
	fires := p.next(t)
	require.Equal(t, []string{"queue_stuck", "firing", "default", "mail"}, []string{fires.Alert, fires.State, fires.Namespace, fires.Subject})
	require.Contains(t, fires.Text, "Queue mail: the oldest ready task has waited for")
	require.NoError(t, p.verify.Check(t.Context()))
	door.Close()
	stopFirst()
	stopSecond()

	third, stopThird := node(func(e *engine.Engine) {
		e.HandleFunc("nobody", func(context.Context, *engine.Call) error { return nil })
	})
	_, err = third.Tasks().Wait(t.Context(), late.ID, 20*time.Second)
	require.NoError(t, err)
	over := p.next(t)
	require.Equal(t, []string{"queue_stuck", "resolved", "mail", fires.Incident}, []string{over.Alert, over.State, over.Subject, over.Incident})
	stopThird()
	require.Empty(t, p.got, "nothing is told twice")
}

// TestANewWayOfFailingIsTold, and that it is over when nothing has failed so for a while.
func TestANewWayOfFailingIsTold(t *testing.T) {
	t.Parallel()
	p := newPager(t)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	require.NoError(t, err)
	e, _ := running(t, db, engine.Config{
		AllowLoopback: true, KeysFile: filepath.Join(t.TempDir(), "keys"), Alerts: engine.Alerts{URL: p.URL, Quiet: 12 * time.Second, Every: 100 * time.Millisecond},
	}, func(e *engine.Engine) {
		e.HandleFunc("mail", func(context.Context, *engine.Call) error { return sendoff.Permanent(errors.New("mailbox 17 is full")) })
	})
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	defer door.Close()
	p.verify.KeysURL = door.URL
	for range 3 {
		_, err = e.Submit(t.Context(), engine.Task{Handler: "mail"})
		require.NoError(t, err)
	}
	fires := p.next(t)
	require.Equal(t, []string{"failures_new", "firing"}, []string{fires.Alert, fires.State})
	require.Contains(t, fires.Text, "is full")
	over := p.next(t)
	require.Equal(t, []string{"failures_new", "resolved", fires.Incident}, []string{over.Alert, over.State, over.Incident})
}

// TestALateScheduleIsTold: no node fires it, since none has the role for that.
func TestALateScheduleIsTold(t *testing.T) {
	t.Parallel()
	p := newPager(t)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	require.NoError(t, err)
	e, _ := running(t, db, engine.Config{
		AllowLoopback: true, KeysFile: filepath.Join(t.TempDir(), "keys"), Roles: []engine.Role{engine.Accept, engine.Execute},
		Alerts: engine.Alerts{URL: p.URL, Late: time.Second, Every: 100 * time.Millisecond},
	}, nil)
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	defer door.Close()
	p.verify.KeysURL = door.URL
	_, err = e.Schedules().Set(t.Context(), engine.ScheduleSpec{Name: "nightly", Every: time.Second, Task: engine.Task{URL: p.URL}})
	require.NoError(t, err)
	fires := p.next(t)
	require.Equal(t, []string{"schedule_late", "firing", "nightly"}, []string{fires.Alert, fires.State, fires.Subject})
	require.NoError(t, e.Schedules().Delete(t.Context(), "nightly"))
	require.Equal(t, "resolved", p.next(t).State)
}

// TestWhatIsPausedIsNotStuck, nor is what is told of it: who has paused a queue knows why.
func TestWhatIsPausedIsNotStuck(t *testing.T) {
	t.Parallel()
	p := newPager(t)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	require.NoError(t, err)
	e, _ := running(t, db, engine.Config{
		AllowLoopback: true, KeysFile: filepath.Join(t.TempDir(), "keys"), Alerts: engine.Alerts{URL: p.URL, Waited: time.Second, Every: 50 * time.Millisecond},
	}, nil)
	door := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	defer door.Close()
	p.verify.KeysURL = door.URL
	for _, queue := range []string{"mail", engine.AlertsQueue} {
		_, err = e.Queues().Set(t.Context(), queue, task.QueueSettings{Concurrency: 1})
		require.NoError(t, err)
		_, err = e.Queues().Pause(t.Context(), queue)
		require.NoError(t, err)
		_, err = e.Submit(t.Context(), engine.Task{Handler: "nobody", Queue: queue})
		require.NoError(t, err)
	}
	_, err = e.Submit(t.Context(), engine.Task{Handler: "nobody", Queue: "other"})
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		stats, err := e.Queues().Stats(t.Context(), engine.AlertsQueue)
		require.NoError(c, err)
		require.EqualValues(c, 2, stats.Ready, "the other queue is told of")
	}, 20*time.Second, 50*time.Millisecond)
	_, err = e.Queues().Resume(t.Context(), engine.AlertsQueue)
	require.NoError(t, err)
	require.Equal(t, "other", p.next(t).Subject)
	require.Empty(t, p.got)
}

func TestAnAlertThatNobodyCanBeToldIsRefused(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	for url, wrong := range map[string]string{"hooks.example": "want a URL", "ftp://hooks.example": "want a URL", "http://127.0.0.1:1": "127.0.0.1"} {
		_, err := engine.New(db, engine.Config{Alerts: engine.Alerts{URL: url}})
		require.ErrorContains(t, err, wrong)
	}
}
