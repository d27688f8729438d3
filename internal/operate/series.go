package operate

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/need"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// SeriesConfig is the Config of Series. Store, Lanes and Node are required.
type SeriesConfig struct {
	Store interface {
		store.Rollups
		Now() int64
	}
	Lanes  Lanes
	Node   task.ID                                          // whose counts these are: no two processes have the same
	Depths func(context.Context) ([]store.LaneStats, error) // nil = other nodes look how much waits
	Shared bool                                             // other nodes count as well
	Log    *slog.Logger                                     // nil = none
}

// Series counts what happens in each line by the minute, and shows it. Safe for concurrent
// use.
type Series struct {
	cfg SeriesConfig

	mu      sync.Mutex
	tallies map[lineMinute]*store.Tally // not yet written
}

type lineMinute struct {
	at   int64
	lane int32
}

// NewSeries returns a Series.
func NewSeries(cfg SeriesConfig) *Series {
	need.Fields(cfg, "Store", "Lanes", "Node")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Series{cfg: cfg, tallies: map[lineMinute]*store.Tally{}}
}

// Accepted counts a task that was stored.
func (s *Series) Accepted(lane int32) { s.count(lane, func(t *store.Tally) { t.Accepted++ }) }

// Started counts an attempt, and how long its task had been ready.
func (s *Series) Started(lane int32, waited time.Duration) {
	s.count(lane, func(t *store.Tally) {
		t.Started++
		t.Wait.Note(waited)
	})
}

// Settled counts the end of an attempt and where it led.
func (s *Series) Settled(lane int32, outcome task.Class, to task.State, took time.Duration) {
	s.count(lane, func(t *store.Tally) {
		if i := int(outcome); i >= 0 && i < store.Classes {
			t.Outcomes[i]++
		}
		t.Ended(to)
		t.Run.Note(took)
	})
}

func (s *Series) count(lane int32, note func(*store.Tally)) {
	key := lineMinute{minuteOf(s.cfg.Store.Now()), lane}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tallies[key] == nil {
		s.tallies[key] = &store.Tally{}
	}
	note(s.tallies[key])
}

func minuteOf(at int64) int64 { return at - at%store.Minute }

// Run writes each minute when it is over, until ctx ends, and then what there is.
func (s *Series) Run(ctx context.Context) error {
	for last := minuteOf(s.cfg.Store.Now()); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			if now := minuteOf(s.cfg.Store.Now()); now > last {
				s.Sample(ctx)
				s.Flush(ctx, now)
				last = now
			}
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.Flush(end, s.cfg.Store.Now()+store.Minute)
	return nil
}

// Sample looks how much waits, when it is this node that does.
func (s *Series) Sample(ctx context.Context) {
	if s.cfg.Depths == nil {
		return
	}
	lanes, err := s.cfg.Depths(ctx)
	if err != nil {
		return // there are none of this minute
	}
	now := s.cfg.Store.Now()
	for _, l := range lanes {
		seen := store.Tally{Ready: l.Ready, Scheduled: l.Scheduled, Running: l.Running, Suspended: l.Suspended, Blocked: l.Blocked, DeadOnes: l.Failed}
		if l.OldestReady != 0 {
			seen.OldestReady = max(now-l.OldestReady, 0)
		}
		if seen != (store.Tally{}) {
			s.count(l.Lane, func(t *store.Tally) { t.Add(&seen) })
		}
	}
}

// Flush writes the minutes that begin before a time. What cannot be written is tried again
// for an hour.
func (s *Series) Flush(ctx context.Context, before int64) {
	rows := s.pending(func(key lineMinute) bool { return key.at < before })
	if len(rows) == 0 {
		return
	}
	err := s.cfg.Store.PutRollups(ctx, rows)
	if err != nil {
		s.cfg.Log.Warn("what was counted could not be written, trying again", "rows", len(rows), "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range rows {
		if err == nil || rows[i].At < before-store.Hour {
			delete(s.tallies, lineMinute{rows[i].At, rows[i].Lane})
		}
	}
}

// pending are rows of what is not yet written, or was just now.
func (s *Series) pending(match func(lineMinute) bool) (rows []store.Rollup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, t := range s.tallies {
		if match(key) {
			rows = append(rows, store.Rollup{Step: store.Minute, At: key.at, Lane: key.lane, Node: s.cfg.Node, Data: t.Encode()})
		}
	}
	return rows
}
