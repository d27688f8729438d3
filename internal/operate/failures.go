package operate

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// FailuresConfig is the Config of Failures. All fields but Log are required.
type FailuresConfig struct {
	Store interface {
		store.Failures
		Now() int64
	}
	Lane func(id int32) store.Lane
	Log  *slog.Logger // nil = none
}

// Failures gathers tasks that failed into groups of those that failed alike, and looks at
// these. Safe for concurrent use.
type Failures struct {
	cfg FailuresConfig

	mu     sync.Mutex
	groups map[failureName]*store.FailureGroup // since the last flush
	beyond int                                 // failures that had no room
}

type failureName struct {
	namespace int32
	print     store.Hash
}

// NewFailures returns a Failures.
func NewFailures(cfg FailuresConfig) *Failures {
	need.Fields(cfg, "Store", "Lane")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Failures{cfg: cfg, groups: map[failureName]*store.FailureGroup{}}
}

const (
	flushFailures = 5 * time.Second // how often groups are written
	mostGathered  = 2000            // groups between two flushes; what belongs to others is not counted
)

// Add notes that a task has failed for good. spec is nil when it could not be read.
func (f *Failures) Add(c *store.Claimed, spec *task.Spec, o *task.Outcome) {
	l, now := f.cfg.Lane(c.Lane), f.cfg.Store.Now()
	g := failureOf(l.Queue, spec, codeText(o.Code, o.Cause, o.Class), o.Error)
	g.Namespace, g.FirstAt, g.LastAt, g.Count, g.Sample = max(l.Namespace, store.DefaultNamespace), now, now, 1, c.ID
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gather(&g)
}

// gather adds a group to those of the next flush.
func (f *Failures) gather(g *store.FailureGroup) {
	name := failureName{g.Namespace, g.Print}
	switch had := f.groups[name]; {
	case had != nil:
		had.Add(g)
	case len(f.groups) < mostGathered:
		f.groups[name] = g
	default:
		f.beyond++
	}
}

// Run writes what was gathered every few seconds until ctx ends, and then the rest.
func (f *Failures) Run(ctx context.Context) error {
	tick := time.NewTicker(flushFailures)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			f.Flush(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	f.Flush(last)
	return nil
}

// Flush writes what was gathered. What could not be written is kept for the next time.
func (f *Failures) Flush(ctx context.Context) {
	f.mu.Lock()
	gathered, beyond := f.groups, f.beyond
	f.groups, f.beyond = map[failureName]*store.FailureGroup{}, 0
	f.mu.Unlock()
	if beyond > 0 {
		f.cfg.Log.Warn("some failures were not counted, of too many sorts at a time", "tasks", beyond)
	}
	if len(gathered) == 0 {
		return
	}
	groups := make([]store.FailureGroup, 0, len(gathered))
	for _, g := range gathered {
		groups = append(groups, *g)
	}
	err := f.cfg.Store.AddFailures(ctx, groups, store.KeepFailures)
	if err == nil {
		return
	}
	f.cfg.Log.Warn("groups of failures could not be written, trying again", "groups", len(groups), "err", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	for g := range maps.Values(gathered) {
		f.gather(g)
	}
}

// FailurePage is a part of the groups, newest first. Next is empty at the end.
type FailurePage struct {
	Items []store.FailureGroup
	Next  string
}

// List returns a page of the groups in the namespace of whoever asks. ErrBadCursor.
func (f *Failures) List(ctx context.Context, cursor string, limit int) (FailurePage, error) {
	var after store.FailureMark
	if cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(b) != 8+len(after.Print) {
			return FailurePage{}, ErrBadCursor
		}
		after = store.FailureMark{At: int64(binary.BigEndian.Uint64(b)), Print: store.Hash(b[8:])}
	}
	limit = min(max(cmp.Or(limit, 50), 1), maxPage)
	groups, err := f.cfg.Store.ListFailures(ctx, space(ctx), after, limit+1)
	if err != nil || len(groups) <= limit {
		return FailurePage{Items: groups}, err
	}
	last := &groups[limit-1]
	mark := slices.Concat(binary.BigEndian.AppendUint64(nil, uint64(last.LastAt)), last.Print[:])
	return FailurePage{groups[:limit], base64.RawURLEncoding.EncodeToString(mark)}, nil
}

// Get returns a group by its id. store.ErrNotFound.
func (f *Failures) Get(ctx context.Context, id string) (store.FailureGroup, error) {
	print, err := parseFailure(id)
	if err != nil {
		return store.FailureGroup{}, err
	}
	return f.cfg.Store.FindFailure(ctx, space(ctx), print)
}

// Mute marks a group as known until a time; the zero time ends that. store.ErrNotFound.
func (f *Failures) Mute(ctx context.Context, id string, until time.Time) (store.FailureGroup, error) {
	print, err := parseFailure(id)
	if err != nil {
		return store.FailureGroup{}, err
	}
	at := int64(0)
	if !until.IsZero() {
		at = until.UnixMicro()
	}
	return f.cfg.Store.MuteFailure(ctx, space(ctx), print, at)
}

// Now is the time by which MutedUntil is meant.
func (f *Failures) Now() time.Time { return time.UnixMicro(f.cfg.Store.Now()).UTC() }

// FailureID is the id of a group.
func FailureID(print store.Hash) string { return hex.EncodeToString(print[:]) }

func parseFailure(id string) (print store.Hash, err error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != len(print) {
		return print, store.ErrNotFound
	}
	return store.Hash(b), nil
}
