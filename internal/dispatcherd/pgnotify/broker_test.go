package pgnotify_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
	"github.com/sendoff-dev/sendoff/internal/dispatcherd/pgnotify"
	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// listening is a broker that runs, and what it has brought.
type listening struct {
	*pgnotify.Broker
	dsn string
	mu  sync.Mutex
	got []dispatcherd.Incoming
}

// each is called with what comes, once it is counted.
func listen(t *testing.T, change func(*dispatcherd.NotifyConfig), each func(dispatcherd.Incoming)) *listening {
	t.Helper()
	l := &listening{dsn: testkit.Postgres(t)}
	cfg := dispatcherd.NotifyConfig{DSN: l.dsn, Channels: []string{"one", `odd "2"; é`}}
	if change != nil {
		change(&cfg)
	}
	var err error
	l.Broker, err = pgnotify.New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() {
		over <- l.Run(ctx, func(in dispatcherd.Incoming) {
			l.mu.Lock()
			l.got = append(l.got, in)
			l.mu.Unlock()
			if each != nil {
				each(in)
			}
		})
	}()
	t.Cleanup(func() { cancel(); require.NoError(t, <-over) })
	l.settled(t)
	return l
}

func (l *listening) conn(t *testing.T) *pgx.Conn {
	conn, err := pgx.Connect(t.Context(), l.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// settled waits until the broker listens.
func (l *listening) settled(t *testing.T) {
	conn := l.conn(t)
	require.Eventually(t, func() bool {
		before := l.count()
		_, err := conn.Exec(t.Context(), `select pg_notify('one', 'ready?')`)
		require.NoError(t, err)
		for range 50 {
			if l.count() > before {
				return true
			}
			time.Sleep(time.Millisecond)
		}
		return false
	}, 20*time.Second, time.Millisecond)
}

func (l *listening) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.got)
}

// TestNothingIsLostBesideAnswers: in one transaction, so that all of it comes at once, and
// each tenth is answered.
func TestNothingIsLostBesideAnswers(t *testing.T) {
	l := listen(t, nil, func(in dispatcherd.Incoming) {
		if strings.HasPrefix(string(in.Payload), "ask ") {
			in.Reply("answers", in.Payload)
		}
	})
	answers, conn := l.conn(t), l.conn(t)
	_, err := answers.Exec(t.Context(), "listen answers")
	require.NoError(t, err)
	before := l.count()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	for i := range 1000 {
		text := fmt.Sprintf("task %d", i)
		if i%10 == 0 {
			text = fmt.Sprintf("ask %d", i)
		}
		_, err := tx.Exec(t.Context(), "select pg_notify($1, $2)", []string{"one", `odd "2"; é`}[i%2], text)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit(t.Context()))
	for i := 0; i < 1000; i += 10 {
		n, err := answers.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("ask %d", i), n.Payload)
	}
	require.Eventually(t, func() bool { return l.count() == before+1000 }, 20*time.Second, time.Millisecond)
}

// TestALongAnswerGoesOutInPieces, each as long as PostgreSQL takes.
func TestALongAnswerGoesOutInPieces(t *testing.T) {
	long := `{"text": "` + strings.Repeat("é", 20_000) + `"}`
	l := listen(t, nil, func(in dispatcherd.Incoming) {
		if string(in.Payload) == "ask" {
			in.Reply("answers", []byte(long))
		}
	})
	conn := l.conn(t)
	_, err := conn.Exec(t.Context(), "listen answers; select pg_notify('one', 'ask')")
	require.NoError(t, err)
	var join dispatcherd.Joiner
	for len(join.Whole) == 0 {
		n, err := conn.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.Less(t, len(n.Payload), 8000)
		join.Take([]byte(n.Payload))
	}
	require.Equal(t, long, string(join.Whole[0]))
}

// TestALostConnectionIsMadeAnew, both the one that listens and the one that answers.
func TestALostConnectionIsMadeAnew(t *testing.T) {
	l := listen(t, nil, func(in dispatcherd.Incoming) {
		if string(in.Payload) == "ask" {
			in.Reply("answers", []byte("here"))
		}
	})
	conn := l.conn(t)
	ask := func() {
		_, err := conn.Exec(t.Context(), "select pg_notify('one', 'ask')")
		require.NoError(t, err)
		n, err := conn.WaitForNotification(t.Context())
		require.NoError(t, err)
		require.Equal(t, "here", n.Payload)
	}
	_, err := conn.Exec(t.Context(), "listen answers")
	require.NoError(t, err)
	ask()
	_, err = conn.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sendoff dispatcherd'")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return l.Health().Recycled > 0 }, 20*time.Second, time.Millisecond)
	l.settled(t)
	ask()
}

// TestItChecksItself when nothing comes.
func TestItChecksItself(t *testing.T) {
	l := listen(t, func(c *dispatcherd.NotifyConfig) { c.IdleCheck, c.CheckAge = 100*time.Millisecond, 20*time.Second }, nil)
	require.Eventually(t, func() bool { return l.Health().SelfCheck.Count >= 3 }, 20*time.Second, time.Millisecond)
	h := l.Health()
	require.True(t, h.SelfCheck.Enabled && h.SelfCheck.Measured)
	require.LessOrEqual(t, h.SelfCheck.Mean, h.SelfCheck.Longest)
}

func TestAConnectionStringThatIsNoneIsRefused(t *testing.T) {
	_, err := pgnotify.New(dispatcherd.NotifyConfig{DSN: "host"}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "brokers.pg_notify.config")
}
