// Package alerts says once that something is wrong, and once that it is over. It keeps
// nothing: what was said last of a thing is asked for with each look, so that several nodes
// that look at the same time say it once, and a restart forgets nothing. It knows neither what
// can be wrong nor how it is said.
package alerts

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/task"
)

// Subject is what something is wrong with.
type Subject struct {
	Alert     string // what is wrong with it
	Namespace string
	Name      string
}

// Incident is something that is wrong.
type Incident struct {
	Subject
	Since time.Time
	Text  string // a sentence for people
}

// Said is what was said last of a subject: that it fires, or that it is over.
type Said struct {
	ID    task.ID // zero = nothing was said of it yet
	Over  bool
	Since time.Time
}

// Fires tells whether it was said that it began, and not yet that it is over.
func (s Said) Fires() bool { return !s.ID.IsZero() && !s.Over }

// Config of a Watch. All fields but Every and Log are required.
type Config struct {
	Look  func(ctx context.Context, fires func(Subject) bool) ([]Incident, error) // what is wrong; fires tells what was said
	Said  func(ctx context.Context) (map[Subject]Said, error)
	Say   func(ctx context.Context, i Incident, over bool, last Said) error // after what was said last; once for that
	Every time.Duration                                                     // between looks; default 10 s
	Log   *slog.Logger                                                      // nil = none
}

// sure is how often in a row something is seen, or seen no more, before it is said: what two
// nodes have counted at different moments differs.
const sure = 2

// Watch looks and says in Run.
type Watch struct {
	cfg  Config
	seen map[Subject]int // how often in a row it was wrong; below 0 = was not
}

// New returns a Watch.
func New(cfg Config) *Watch {
	need.Fields(cfg, "Look", "Said", "Say")
	if cfg.Every == 0 {
		cfg.Every = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Watch{cfg: cfg, seen: map[Subject]int{}}
}

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.cfg.Every*3/4 + rand.N(w.cfg.Every/2)):
		}
		if err := w.look(ctx); err != nil && ctx.Err() == nil {
			w.cfg.Log.Warn("looking for what to alert of failed, trying again", "err", err)
		}
	}
}

// look says what is new, and what is over.
func (w *Watch) look(ctx context.Context) error {
	said, err := w.cfg.Said(ctx)
	if err != nil {
		return err
	}
	wrong, err := w.cfg.Look(ctx, func(s Subject) bool { return said[s].Fires() })
	if err != nil {
		return err
	}
	now := map[Subject]bool{}
	for _, i := range wrong {
		now[i.Subject] = true
		if w.seen[i.Subject] = max(w.seen[i.Subject], 0) + 1; w.seen[i.Subject] < sure || said[i.Subject].Fires() {
			continue
		}
		if err := w.cfg.Say(ctx, i, false, said[i.Subject]); err != nil {
			return err
		}
	}
	for s, last := range said {
		if now[s] || !last.Fires() {
			continue
		}
		if w.seen[s] = min(w.seen[s], 0) - 1; w.seen[s] > -sure {
			continue
		}
		if err := w.cfg.Say(ctx, Incident{Subject: s, Since: last.Since}, true, last); err != nil {
			return err
		}
	}
	for s := range w.seen {
		if !now[s] && !said[s].Fires() {
			delete(w.seen, s)
		}
	}
	return nil
}
