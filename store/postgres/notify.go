package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sethvargo/go-retry"

	"github.com/sendoff-dev/sendoff/store"
)

// channel carries hints between nodes.
const channel = "sendoff"

// maxHint is below what a notification can carry.
const maxHint = 7900

// Notify sends a hint to the other nodes; see store.Notifier. It is a
// transaction of its own: a notification holds a lock of the whole cluster
// while its transaction commits. A hint that is too long goes in parts.
func (s *Store) Notify(ctx context.Context, h store.Hint) error {
	payload, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	if len(payload) > maxHint {
		w, c := len(h.Woken)/2, len(h.Canceled)/2
		return errors.Join(
			s.Notify(ctx, store.Hint{From: h.From, Woken: h.Woken[:w], Canceled: h.Canceled[:c], Catalog: h.Catalog}),
			s.Notify(ctx, store.Hint{From: h.From, Woken: h.Woken[w:], Canceled: h.Canceled[c:]}))
	}
	if err := s.read(ctx, query(`select pg_notify($1, $2)`).text(channel).text(string(payload))); err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	return nil
}

// Listen calls fn for hints; see store.Notifier. Anybody who can connect to the
// database can send a notification, so what comes is checked for its form and
// never trusted for more than a reason to look.
func (s *Store) Listen(ctx context.Context, fn func(store.Hint)) error {
	dsn := cmp.Or(s.options.ListenDSN, s.dsn)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sendoff"
	}
	for wait := listenBackoff(); ctx.Err() == nil; {
		heard, err := listen(ctx, config, fn)
		if errors.Is(err, errDeaf) {
			s.log.InfoContext(ctx, "this database URL leads through a pooler and carries no notifications; other nodes' tasks are found by polling")
			return nil
		}
		if heard {
			wait = listenBackoff()
		}
		if ctx.Err() == nil {
			s.log.WarnContext(ctx, "the connection that listens was lost", "err", err)
		}
		pause, _ := wait.Next()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

func listenBackoff() retry.Backoff {
	return retry.WithJitterPercent(30, retry.WithCappedDuration(5*time.Second, retry.NewExponential(50*time.Millisecond)))
}

// errDeaf says that a session does not survive its transaction, so that
// nothing could be heard in it.
var errDeaf = errors.New("no session to listen in")

// listen hears hints until its connection breaks. heard tells whether it got as
// far as that.
func listen(ctx context.Context, config *pgx.ConnConfig, fn func(store.Hint)) (heard bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return false, err
	}
	// A pooler shows in the process that answers: it is not the one that the
	// connection was opened with.
	var pid uint32
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return false, err
	}
	if pid != conn.PgConn().PID() {
		return false, errDeaf
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		var h store.Hint
		if json.Unmarshal([]byte(n.Payload), &h) == nil {
			fn(h)
		}
	}
}
