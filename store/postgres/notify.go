package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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
			s.Notify(ctx, store.Hint{From: h.From, Woken: h.Woken[:w], Canceled: h.Canceled[:c], Changed: h.Changed}),
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
	config, err := pgx.ParseConfig(cmp.Or(s.options.ListenDSN, s.dsn))
	if err != nil {
		return fmt.Errorf("read the database URL: %w", err)
	}
	configure(config)
	config.ValidateConnect = writable
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		var h store.Hint
		if json.Unmarshal([]byte(n.Payload), &h) == nil {
			fn(h)
		}
	}
	for wait := listenBackoff(); ctx.Err() == nil; {
		heard, err := listen(ctx, &config.Config)
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

// listenCheck is how long nothing may be heard before the connection is looked
// at: its other end may be gone, or not be the one any more that takes writes.
const listenCheck = 10 * time.Second

// listen hears hints until its connection breaks. heard tells whether it got as
// far as that.
func listen(ctx context.Context, config *pgconn.Config) (heard bool, err error) {
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	// A pooler shows in the process that answers: it is not the one that the
	// connection was opened with.
	answers, err := conn.Exec(ctx, "listen "+channel+"; select pg_backend_pid()").ReadAll()
	if err != nil {
		return false, err
	}
	if string(answers[1].Rows[0][0]) != strconv.FormatUint(uint64(conn.PID()), 10) {
		return false, errDeaf
	}
	// Where there is such a timeout, it does not mean those who listen.
	_, err = conn.Exec(ctx, neverIdle).ReadAll()
	for err == nil {
		err = hear(ctx, conn)
	}
	return true, err
}

// hear waits for a hint, which the connection's callback gets. An error means
// that nothing more can be heard.
func hear(ctx context.Context, conn *pgconn.PgConn) error {
	waiting, cancel := context.WithTimeout(ctx, listenCheck)
	defer cancel()
	err := conn.WaitForNotification(waiting)
	if err == nil || ctx.Err() != nil || conn.IsClosed() {
		return err
	}
	checking, cancel := context.WithTimeout(ctx, leaseTry)
	defer cancel()
	return writable(checking, conn)
}
