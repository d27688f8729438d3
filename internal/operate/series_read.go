package operate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// SeriesQuery selects what was counted. What is zero has a default.
type SeriesQuery struct {
	Targets  bool          // by target, in place of by queue
	Keys     []string      // these queues or targets; none = all
	From, To time.Time     // default the last three hours, of targets the last 24
	Step     time.Duration // ten seconds, a minute, ten minutes or an hour, of targets an hour; default the shortest that is kept so long
}

// SeriesPage is what was counted in a time. From is at the beginning of a step.
type SeriesPage struct {
	From, To time.Time
	Step     time.Duration
	AsOf     time.Time // all nodes have written what was before
	Partial  bool      // something may be missing: of other nodes, or because it is kept in longer steps by now
	Items    []SeriesItem
}

// SeriesItem is what was counted of a queue, or a target. Points in which nothing happened are left out.
type SeriesItem struct {
	Key    string
	Points []SeriesPoint
}

// SeriesPoint is what was counted in one step from At on.
type SeriesPoint struct {
	At time.Time
	store.Tally
}

// seriesSteps are the steps, each with how long it is kept.
var seriesSteps = []struct{ step, keep int64 }{{store.TenSeconds, store.KeepTenSeconds}, {store.Minute, store.KeepMinutes}, {store.TenMinutes, store.KeepTenMinutes}, {store.Hour, store.KeepHours}}

const (
	mostPoints    = 2200           // of an item
	writtenWithin = 10 * 1_000_000 // of the end of a minute, or of ten seconds
)

// Read returns what was counted in the namespace of whoever asks. task.Invalid.
func (s *Series) Read(ctx context.Context, q SeriesQuery) (SeriesPage, error) {
	now := s.cfg.Store.Now()
	from, to, step, err := q.span(now)
	if err != nil {
		return SeriesPage{}, err
	}
	asOf := begin(now-writtenWithin, min(step, store.Minute))
	page := SeriesPage{From: time.UnixMicro(from).UTC(), To: time.UnixMicro(to).UTC(), Step: time.Duration(step) * time.Microsecond, AsOf: time.UnixMicro(asOf).UTC()}
	page.Partial = s.cfg.Shared && to > asOf || from < now-keepOf(step)
	mine := space(ctx)
	queues, ask := map[int32]string{}, store.RollupQuery{Step: step, From: from, Till: to, Lanes: []int32{}, Targets: q.Targets}
	for _, l := range s.cfg.Lanes.Lanes(func(l store.Lane) bool {
		return l.Namespace == mine && (q.Targets || len(q.Keys) == 0 || slices.Contains(q.Keys, l.Queue))
	}) {
		queues[l.ID] = l.Queue
		ask.Lanes = append(ask.Lanes, l.ID)
	}
	here := s.known(&ask)
	rows, err := s.cfg.Store.Rollups(ctx, ask)
	if err != nil {
		return SeriesPage{}, err
	}
	rows = unwritten(here, rows, s.cfg.Node)
	if q.Targets {
		page.Items = targetItems(rows, q.Keys)
	} else {
		page.Items = itemsOf(rows, step, queues)
	}
	return page, nil
}

// known are the rows of this node that are in memory.
func (s *Series) known(q *store.RollupQuery) []store.Rollup {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Targets {
		return s.targets.known(q, s.cfg.Node)
	}
	return s.rows(min(q.Step, store.Minute), func(key lineTime) bool {
		at := begin(key.at, min(q.Step, store.Minute))
		return at >= q.From && at < q.Till && slices.Contains(q.Lanes, key.lane)
	})
}

// unwritten are the rows, those of this node as it knows them.
func unwritten(here, rows []store.Rollup, node task.ID) []store.Rollup {
	type place struct {
		lineTime
		target int32
	}
	of := func(r *store.Rollup) place { return place{lineTime{r.At, r.Lane}, r.Target} }
	known := map[place]bool{}
	for i := range here {
		known[of(&here[i])] = true
	}
	rows = slices.DeleteFunc(rows, func(r store.Rollup) bool { return r.Node == node && known[of(&r)] })
	return append(rows, here...)
}

// itemsOf sums rows up by queue and step.
func itemsOf(rows []store.Rollup, step int64, queues map[int32]string) []SeriesItem {
	lines := map[lineTime]*store.Tally{}
	for i := range rows {
		key := lineTime{begin(rows[i].At, step), rows[i].Lane}
		if t, ok := store.DecodeTally(rows[i].Data); ok {
			if lines[key] == nil {
				lines[key] = &store.Tally{}
			}
			lines[key].Add(&t)
		}
	}
	points := map[string]map[int64]*store.Tally{}
	for key, t := range lines {
		name := queues[key.lane]
		if points[name] == nil {
			points[name] = map[int64]*store.Tally{}
		}
		if points[name][key.at] == nil {
			points[name][key.at] = &store.Tally{}
		}
		points[name][key.at].Join(t)
	}
	return itemsBy(points)
}

// itemsBy are the points of each key, in order.
func itemsBy(points map[string]map[int64]*store.Tally) []SeriesItem {
	items := make([]SeriesItem, 0, len(points))
	for name, at := range points {
		item := SeriesItem{Key: name}
		for us, t := range at {
			item.Points = append(item.Points, SeriesPoint{time.UnixMicro(us).UTC(), *t})
		}
		slices.SortFunc(item.Points, func(a, b SeriesPoint) int { return a.At.Compare(b.At) })
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b SeriesItem) int { return strings.Compare(a.Key, b.Key) })
	return items
}

func keepOf(step int64) int64 {
	for _, s := range seriesSteps {
		if s.step == step {
			return s.keep
		}
	}
	return 0
}

// span is what is asked for, in microseconds.
func (q *SeriesQuery) span(now int64) (from, to, step int64, err error) {
	var bad task.Invalid
	to = now
	if !q.To.IsZero() {
		to = q.To.UnixMicro()
	}
	from = to - 3*store.Hour
	if q.Targets {
		from = to - 24*store.Hour
	}
	if !q.From.IsZero() {
		from = q.From.UnixMicro()
	}
	step = q.Step.Microseconds()
	switch {
	case q.Targets && step != 0 && step != store.Hour:
		bad.Add("step", "is %s: what happens with targets is counted by the hour, want 1h", q.Step)
		return 0, 0, 0, bad.Err()
	case q.Targets:
		step = store.Hour
	case q.Step == 0:
		for _, s := range slices.Backward(seriesSteps) {
			if step == 0 || from >= now-s.keep && to-from <= s.keep {
				step = s.step
			}
		}
	}
	switch {
	case keepOf(step) == 0:
		bad.Add("step", "is %s: want 10s, 1m, 10m or 1h", q.Step)
		return 0, 0, 0, bad.Err()
	case from >= to:
		bad.Add("from", "is not before to")
	case (to-from)/step > mostPoints:
		bad.Add("step", "makes more than %d points: want a longer step or a shorter time", mostPoints)
	}
	return from - from%step, to, step, bad.Err()
}
