package pgnotify

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// turnEvery is how often a service tries to get its turn with a channel.
const turnEvery = 3 * time.Second

// turns are the shared channels of a connection: of all services that listen to one, the
// one that holds its lock takes its tasks. The lock is of the session (pg_advisory_lock),
// so that the database lets it go when the connection or its service is gone.
type turns struct {
	conn  *pgx.Conn
	log   *slog.Logger
	waits []string // channels that others have
	tried time.Time
}

// take takes what nobody has, from time to time.
func (t *turns) take(ctx context.Context) error {
	if len(t.waits) == 0 || time.Since(t.tried) < turnEvery {
		return nil
	}
	t.tried = time.Now()
	for _, channel := range slices.Clone(t.waits) {
		var ours bool
		if err := t.conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", "sendoff channel "+channel).Scan(&ours); err != nil {
			return err
		}
		if ours {
			t.log.Info("pg_notify: this service takes the tasks of a shared channel from now on", "channel", channel)
			t.waits = slices.DeleteFunc(t.waits, func(c string) bool { return c == channel })
		}
	}
	return nil
}

// next is the earlier of a time, zero = never, and of the next try.
func (t *turns) next(at time.Time) time.Time {
	if try := t.tried.Add(turnEvery); len(t.waits) > 0 && (at.IsZero() || try.Before(at)) {
		return try
	}
	return at
}
