package operate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// LimitStore is what Limits needs of a database; see store.Gates and store.Gauges.
type LimitStore interface {
	SetLimit(ctx context.Context, l store.Limit) error
	DeleteLimit(ctx context.Context, namespace int32, key string) error
	Gate(ctx context.Context, id store.Hash) (store.GateRow, error)
	Limits(ctx context.Context, namespace int32, after string, n int) ([]store.GateRow, error)
	store.Gauges
	Now() int64
}

// LimitsConfig is the Config of Limits. All fields are required.
type LimitsConfig struct {
	Store LimitStore
	Least func() int32  // version of the oldest node that is alive
	Left  func(task.ID) // a step has left a store.Todo
}

// Limits looks at limits and configures them. Safe for concurrent use.
type Limits struct {
	cfg     LimitsConfig
	backlog shared[*Backlog]
}

// NewLimits returns a Limits.
func NewLimits(cfg LimitsConfig) *Limits {
	need.Fields(cfg, "Store", "Least", "Left")
	l := &Limits{cfg: cfg}
	l.backlog.read = l.countBacklog
	return l
}

// Limit is a limit as it is shown.
type Limit struct {
	task.Limit
	Paused     bool  // nobody enters
	Configured bool  // otherwise what the newest task says counts
	Used       int32 // tasks that are inside: that run, or may
	Waiting    int32 // tasks in line
}

// LimitSettings is what is configured of a limit.
type LimitSettings struct {
	task.Limit
	Paused bool
}

// LimitPage is a part of the configured limits.
type LimitPage struct {
	Items []Limit
	Next  string // empty at the end
}

// List lists the configured limits by their keys, limit at most; 0 = 50. ErrBadCursor.
func (l *Limits) List(ctx context.Context, cursor string, limit int) (LimitPage, error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return LimitPage{}, ErrBadCursor
	}
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, maxPage)
	rows, err := l.cfg.Store.Limits(ctx, space(ctx), string(after), limit+1)
	if err != nil {
		return LimitPage{}, err
	}
	page := LimitPage{}
	if len(rows) > limit {
		rows = rows[:limit]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(rows[limit-1].Name))
	}
	for i := range rows {
		page.Items = append(page.Items, limitOf(&rows[i]))
	}
	return page, nil
}

// Get returns a limit that is configured, or that tasks are inside of or wait for.
// store.ErrNotFound.
func (l *Limits) Get(ctx context.Context, key string) (Limit, error) {
	g, err := l.cfg.Store.Gate(ctx, store.GateID(space(ctx), store.LimitGate, key))
	if errors.Is(err, store.ErrNotFound) {
		return Limit{}, unknownLimit(key)
	}
	return limitOf(&g), err
}

// Set configures a limit, in place of what was configured and of what tasks say.
// task.Invalid, store.ErrOldNode.
func (l *Limits) Set(ctx context.Context, s LimitSettings) (Limit, error) {
	var bad task.Invalid
	s.Check(&bad, "")
	if s.Concurrency == 0 && s.Rate == (task.Rate{}) && s.Burst == 0 && !s.Paused {
		bad.Add("concurrency", "nothing is limited: want concurrency, such as 5, a rate, such as \"100/s\", both, or paused")
	}
	if err := bad.Err(); err != nil {
		return Limit{}, err
	}
	if least := l.cfg.Least(); least < store.VersionGates {
		return Limit{}, fmt.Errorf("limits need nodes of version %d, and there is one of version %d: %w", store.VersionGates, least, store.ErrOldNode)
	}
	set := store.Limit{Namespace: space(ctx), Key: s.Key, Capacity: s.Concurrency, Paused: s.Paused}
	if every := s.Rate.Every(); every > 0 {
		set.Every, set.Burst = every.Microseconds(), s.BurstOrDefault()
	}
	becomes := limitOf(&store.GateRow{Name: set.Key, Capacity: set.Capacity, Every: set.Every, Burst: set.Burst, Paused: set.Paused})
	tellChange(ctx, l.configured(ctx, s.Key), factsOfLimit(&becomes))
	if err := l.cfg.Store.SetLimit(ctx, set); err != nil {
		return Limit{}, err
	}
	l.opened(ctx, s.Key)
	return l.Get(ctx, s.Key)
}

// configured is what is configured of a limit, for the audit; nil = nothing is.
func (l *Limits) configured(ctx context.Context, key string) facts {
	g, err := l.cfg.Store.Gate(ctx, store.GateID(space(ctx), store.LimitGate, key))
	if err != nil || !g.Configured {
		return nil
	}
	had := limitOf(&g)
	return factsOfLimit(&had)
}

// Delete forgets what was configured of a limit: what the next task says of it counts.
// store.ErrNotFound.
func (l *Limits) Delete(ctx context.Context, key string) error {
	tellChange(ctx, l.configured(ctx, key), nil)
	err := l.cfg.Store.DeleteLimit(ctx, space(ctx), key)
	if errors.Is(err, store.ErrNotFound) {
		return unknownLimit(key)
	}
	if err == nil {
		l.opened(ctx, key)
	}
	return err
}

// opened has those in line looked at who may have room now.
func (l *Limits) opened(ctx context.Context, key string) {
	l.cfg.Left(task.ID(store.GateID(space(ctx), store.LimitGate, key)))
}

func unknownLimit(key string) error { return fmt.Errorf("limit %q: %w", key, store.ErrNotFound) }

func limitOf(g *store.GateRow) Limit {
	l := Limit{
		Limit:  task.Limit{Key: g.Name, Concurrency: g.Capacity, Rate: task.RateOf(time.Duration(g.Every) * time.Microsecond)},
		Paused: g.Paused, Configured: g.Configured, Used: g.Inside, Waiting: g.Waiting,
	}
	if g.Every > 0 {
		l.Burst = g.Burst
	}
	return l
}
