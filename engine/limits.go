package engine

import (
	"context"

	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
)

// Limits looks at limits and configures them. A key may hold any text, at most 200 bytes
// of it. Safe for concurrent use.
type Limits struct{ limits *operate.Limits }

// Limit is a limit as it is: what is configured, or what the newest task says of it.
type Limit struct {
	task.Limit
	Paused     bool // nobody enters
	Configured bool // whatever tasks say
	Used       int  // tasks that run under it, or may
	Waiting    int  // tasks in line
}

// LimitPage is a part of the configured limits, by their keys.
type LimitPage struct {
	Items []Limit
	Next  string // cursor of the next page; "" at the end
}

// List returns a page of the configured limits: limit of them at most, 0 = 50, 500 at
// most. cursor is the Next of the page before. ErrBadCursor.
func (l *Limits) List(ctx context.Context, cursor string, limit int) (LimitPage, error) {
	page, err := l.limits.List(ctx, cursor, limit)
	out := LimitPage{Next: page.Next, Items: make([]Limit, len(page.Items))}
	for i := range page.Items {
		out.Items[i] = limitOf(&page.Items[i])
	}
	return out, err
}

// Get returns a limit that is configured, or that tasks are under. store.ErrNotFound.
func (l *Limits) Get(ctx context.Context, key string) (Limit, error) {
	return limitShown(l.limits.Get(ctx, key))
}

// Set configures a limit, in place of what was configured and of what tasks say; paused
// lets nobody enter. Those in line enter when it lets them; nobody inside is stopped.
// task.Invalid, store.ErrOldNode.
func (l *Limits) Set(ctx context.Context, limit task.Limit, paused bool) (Limit, error) {
	return limitShown(l.limits.Set(ctx, operate.LimitSettings{Limit: limit, Paused: paused}))
}

// Delete forgets what was configured of a limit: what the next task says of it counts.
// store.ErrNotFound.
func (l *Limits) Delete(ctx context.Context, key string) error { return l.limits.Delete(ctx, key) }

func limitShown(l operate.Limit, err error) (Limit, error) { return limitOf(&l), err }

func limitOf(l *operate.Limit) Limit {
	return Limit{Limit: l.Limit, Paused: l.Paused, Configured: l.Configured, Used: int(l.Used), Waiting: int(l.Waiting)}
}
