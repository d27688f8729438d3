package operate

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
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

// Series counts what happens in each line, and with each target, and shows it. Safe for
// concurrent use.
type Series struct {
	cfg SeriesConfig

	mu      sync.Mutex
	lines   map[lineTime]*store.Tally // by ten seconds, of minutes that are not yet written
	brief   int64                     // ten seconds that begin before this one are written
	targets targets
}

// lineTime is a line in the time that begins then.
type lineTime struct {
	at   int64
	lane int32
}

// NewSeries returns a Series.
func NewSeries(cfg SeriesConfig) *Series {
	need.Fields(cfg, "Store", "Lanes", "Node")
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Series{cfg: cfg, lines: map[lineTime]*store.Tally{}, targets: newTargets()}
}

// Accepted counts a task that was stored. target is as TargetOf says, here and below.
func (s *Series) Accepted(lane int32, target string) {
	s.count(lane, target, func(t *store.Tally) { t.Accepted++ })
}

// Started counts an attempt, and how long its task had been ready.
func (s *Series) Started(lane int32, target string, waited time.Duration) {
	s.count(lane, target, func(t *store.Tally) {
		t.Started++
		t.Wait.Note(waited)
	})
}

// Settled counts the end of an attempt and where it led.
func (s *Series) Settled(lane int32, target string, outcome task.Class, to task.State, took time.Duration) {
	s.count(lane, target, func(t *store.Tally) {
		if i := int(outcome); i >= 0 && i < store.Classes {
			t.Outcomes[i]++
		}
		t.Ended(to)
		t.Run.Note(took)
	})
}

func (s *Series) count(lane int32, target string, note func(*store.Tally)) {
	now := s.cfg.Store.Now()
	key := lineTime{begin(now, store.TenSeconds), lane}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines[key] == nil {
		s.lines[key] = &store.Tally{}
	}
	note(s.lines[key])
	s.targets.count(now, lane, target, note)
}

// begin is when the step began that a time is in.
func begin(at, step int64) int64 { return at - at%step }

// Run writes what was counted now and then until ctx ends, and then what there is.
func (s *Series) Run(ctx context.Context) error {
	for last := s.cfg.Store.Now(); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
			now := s.cfg.Store.Now()
			if begin(now, store.Minute) > begin(last, store.Minute) {
				s.Sample(ctx)
			}
			if begin(now, store.TenSeconds) > begin(last, store.TenSeconds) {
				s.Flush(ctx, now)
			}
			last = now
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
			s.count(l.Lane, "", func(t *store.Tally) { t.Add(&seen) })
		}
	}
}

// Flush writes the ten seconds and the minutes that are over at a time, and with these what
// happened with targets. What cannot be written is tried again for an hour.
func (s *Series) Flush(ctx context.Context, now int64) {
	brief, minute := begin(now, store.TenSeconds), begin(now, store.Minute)
	s.mu.Lock()
	rows := mostBusy(s.rows(store.TenSeconds, func(key lineTime) bool { return key.at >= s.brief && key.at < brief }))
	minutes := s.rows(store.Minute, func(key lineTime) bool { return key.at < minute })
	if len(minutes) > 0 {
		rows = append(append(rows, minutes...), s.targets.rows(s.cfg.Node)...)
	}
	s.mu.Unlock()
	if len(rows) == 0 {
		return
	}
	err := s.cfg.Store.PutRollups(ctx, rows)
	if err != nil {
		s.cfg.Log.Warn("what was counted could not be written, trying again", "rows", len(rows), "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.brief = brief
	}
	s.targets.wrote(err == nil, begin(now, store.Hour))
	for key := range s.lines {
		if err == nil && key.at < minute || key.at < now-store.Hour {
			delete(s.lines, key)
		}
	}
}

// mostLines is of how many lines a node writes ten seconds at most.
const mostLines = 1000

// mostBusy leaves out those with least to do: the more was counted, the longer is a row.
func mostBusy(rows []store.Rollup) []store.Rollup {
	if len(rows) <= mostLines {
		return rows
	}
	slices.SortFunc(rows, func(a, b store.Rollup) int { return cmp.Compare(len(b.Data), len(a.Data)) })
	return rows[:mostLines]
}

// rows are those of a step of what is in memory, and was not yet written or was just now.
func (s *Series) rows(step int64, match func(lineTime) bool) []store.Rollup {
	sums := map[lineTime]*store.Tally{}
	for key, t := range s.lines {
		if !match(key) {
			continue
		}
		key.at = begin(key.at, step)
		if sums[key] == nil {
			sums[key] = &store.Tally{}
		}
		sums[key].Add(t)
	}
	rows := make([]store.Rollup, 0, len(sums))
	for key, t := range sums {
		rows = append(rows, store.Rollup{Step: step, At: key.at, Lane: key.lane, Node: s.cfg.Node, Data: t.Encode()})
	}
	return rows
}
