// Package pgnotify is the broker of dispatcherd on NOTIFY of PostgreSQL. It listens on one
// connection and sends on another one, so that no answer is in the way of what comes.
package pgnotify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
)

// limit is how long a payload may be, in bytes: PostgreSQL refuses 8000.
const limit = 7999

// handedIn is where the database function sendoff.submit tells of a message when its
// transaction commits; see the migrations of package store/postgres.
const handedIn = "sendoff_submit"

// Broker implements dispatcherd.Broker.
type Broker struct {
	cfg   dispatcherd.NotifyConfig
	conn  *pgx.ConnConfig
	log   *slog.Logger
	check string // channel that it sends to itself on
	send  chan outgoing

	mu       sync.Mutex
	recycled int
	self     dispatcherd.SelfCheck
	total    float64
	sent     time.Time // when the check that is out was sent; zero = none is
}

type outgoing struct {
	channel string
	text    []byte
}

// New returns a broker. The error says what is wrong with the connection string.
func New(cfg dispatcherd.NotifyConfig, log *slog.Logger) (*Broker, error) {
	conn, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("brokers.pg_notify.config: %w", err)
	}
	conn.ConnectTimeout = cmp.Or(conn.ConnectTimeout, 10*time.Second)
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "sendoff dispatcherd"
	}
	// A host that is gone without a word is missed after about 11 s, so that another one has its turn.
	for name, value := range map[string]string{"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"} {
		if conn.RuntimeParams[name] == "" && len(cfg.Shared) > 0 {
			conn.RuntimeParams[name] = value
		}
	}
	b := &Broker{cfg: cfg, conn: conn, log: log, send: make(chan outgoing, 1024)}
	b.check = "self_check_" + strings.ReplaceAll(uuid.NewString(), "-", "_")
	b.self.Enabled = cfg.IdleCheck > 0
	return b, nil
}

// Name implements dispatcherd.Broker.
func (b *Broker) Name() string { return "pg_notify" }

// Health implements dispatcherd.Broker.
func (b *Broker) Health() dispatcherd.Health {
	b.mu.Lock()
	defer b.mu.Unlock()
	self := b.self
	return dispatcherd.Health{Recycled: b.recycled, SelfCheck: &self}
}

// Run implements dispatcherd.Broker. A connection that is lost is made anew, at first at
// once and then after growing pauses.
func (b *Broker) Run(ctx context.Context, receive func(dispatcherd.Incoming)) error {
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() { b.sendAll(ctx) })
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		began := time.Now()
		err := b.listen(ctx, receive)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > 10*time.Second {
			pause = 100 * time.Millisecond
		}
		b.mu.Lock()
		b.recycled++
		b.sent = time.Time{}
		b.mu.Unlock()
		b.log.Error("pg_notify: connecting anew", "err", err, "in", pause.String())
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// listen brings what comes over one connection, until that is lost.
func (b *Broker) listen(ctx context.Context, receive func(dispatcherd.Incoming)) error {
	conn, err := pgx.ConnectConfig(ctx, b.conn)
	if err != nil {
		return err
	}
	defer func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(limited)
	}()
	for _, channel := range append([]string{b.check, handedIn}, b.cfg.Channels...) {
		if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
			return fmt.Errorf("listen on %q: %w", channel, err)
		}
	}
	b.log.Info("pg_notify: listening", "channels", b.cfg.Channels)
	turns := turns{conn: conn, log: b.log, waits: slices.Clone(b.cfg.Shared)}
	for heard := time.Now(); ; {
		if err := turns.take(ctx); err != nil {
			return err
		}
		n, err := b.wait(ctx, conn, turns.next(b.nextCheck(heard)))
		switch {
		case err != nil:
			return err
		case n == nil:
			if due := b.nextCheck(heard); due.IsZero() || time.Now().Before(due) {
				continue
			}
			if err := b.checkSelf(); err != nil {
				return err
			}
		case n.Channel == handedIn:
			receive(dispatcherd.Incoming{Channel: n.Channel, HandedIn: true})
		case n.Channel == b.check:
			if err := b.checked(); err != nil {
				return err
			}
		default:
			others := slices.Contains(turns.waits, n.Channel)
			receive(dispatcherd.Incoming{Channel: n.Channel, Others: others, Payload: []byte(n.Payload), Reply: b.reply})
		}
		heard = time.Now()
	}
}

// nextCheck is when a message is sent to itself if nothing comes; zero = never.
func (b *Broker) nextCheck(heard time.Time) time.Time {
	if b.cfg.IdleCheck <= 0 {
		return time.Time{}
	}
	return heard.Add(b.cfg.IdleCheck)
}

// wait waits for a notification; nil when none came until then, zero = it waits for ever.
func (b *Broker) wait(ctx context.Context, conn *pgx.Conn, until time.Time) (*notification, error) {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if !until.IsZero() {
		limited, cancel = context.WithDeadline(ctx, until)
	}
	defer cancel()
	n, err := conn.WaitForNotification(limited)
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) && !conn.IsClosed() {
		return nil, nil //nolint:nilnil // nothing came, which is no fault
	}
	if err != nil {
		return nil, err
	}
	return &notification{n.Channel, n.Payload}, nil
}

type notification struct{ Channel, Payload string }

// checkSelf sends a message to this broker. One that is out still has been lost.
func (b *Broker) checkSelf() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.sent.IsZero() {
		return errors.New("a message to itself has not come back")
	}
	b.sent = time.Now()
	b.reply(b.check, []byte(`{"self_check": true}`))
	return nil
}

func (b *Broker) checked() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent.IsZero() {
		return nil
	}
	took := time.Since(b.sent)
	b.sent = time.Time{}
	b.self.Count++
	b.self.Measured = true
	b.total += took.Seconds()
	b.self.Mean, b.self.Longest = b.total/float64(b.self.Count), max(b.self.Longest, took.Seconds())
	if b.cfg.CheckAge > 0 && took > b.cfg.CheckAge {
		return fmt.Errorf("a message to itself took %s", took)
	}
	return nil
}

// reply sends a text. When a thousand wait to be sent, it is dropped: nobody waits so long.
func (b *Broker) reply(channel string, text []byte) {
	select {
	case b.send <- outgoing{channel, text}:
	default:
		b.log.Error("pg_notify: an answer is dropped: too many wait to be sent", "channel", channel)
	}
}

// sendAll sends what there is on a connection of its own.
func (b *Broker) sendAll(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case out := <-b.send:
			var err error
			if conn, err = b.sendOne(ctx, conn, out); err != nil && ctx.Err() == nil {
				b.log.Error("pg_notify: an answer could not be sent", "channel", out.channel, "err", err)
			}
		}
	}
}

// sendOne sends an answer, and once more over a new connection when the one that there was
// has been lost.
func (b *Broker) sendOne(ctx context.Context, conn *pgx.Conn, out outgoing) (*pgx.Conn, error) {
	for attempt := 0; ; attempt++ {
		fresh := conn == nil
		if fresh {
			var err error
			if conn, err = pgx.ConnectConfig(ctx, b.conn); err != nil {
				return nil, err
			}
		}
		err := notify(ctx, conn, out)
		if err == nil || !conn.IsClosed() || fresh || attempt > 0 {
			if conn.IsClosed() {
				conn = nil
			}
			return conn, err
		}
		conn = nil
	}
}

func notify(ctx context.Context, conn *pgx.Conn, out outgoing) error {
	for _, piece := range dispatcherd.Split(out.text, limit) {
		if _, err := conn.Exec(ctx, "select pg_notify($1, $2)", out.channel, string(piece)); err != nil {
			return err
		}
	}
	return nil
}
