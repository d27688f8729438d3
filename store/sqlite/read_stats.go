package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/internal/words"
	"github.com/sendoff-dev/sendoff/task"
)

// Stats implements store.Reader. Each work list is read once, however many lanes
// there are. Those that are in the order of their lanes are counted by SQLite.
// The timers are not, and sorting them costs it a hundred times what counting
// them here does.
func (s *Store) Stats(ctx context.Context) ([]store.LaneStats, error) {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, s.translate(err)
	}
	defer tx.Rollback()
	d := depths{}
	for _, count := range []func(context.Context, *sql.Tx) error{d.ready, d.timers, d.needs, d.lines, d.dead, d.running} {
		if err := count(ctx, tx); err != nil {
			return nil, s.translate(err)
		}
	}
	out := make([]store.LaneStats, 0, len(d))
	for _, lane := range slices.Sorted(maps.Keys(d)) {
		out = append(out, *d[lane])
	}
	return out, nil
}

// The work lists grow without bound, so these must each be one pass that sorts
// nothing.
const (
	countReady  = `select lane, prio, count(*) from ready group by lane, prio`
	countTimers = `select lane << 3 | kind from timer`
	countLines  = `select lane, count(distinct task) from line group by lane`
	countDead   = `select lane, count(*) from dead group by lane`
	countNeeds  = `select lane, count(*) from need where waits group by lane`
)

// depths are the lanes in which something waits or runs.
type depths map[int32]*store.LaneStats

func (d depths) of(lane int32) *store.LaneStats {
	if d[lane] == nil {
		d[lane] = &store.LaneStats{Lane: lane}
	}
	return d[lane]
}

// firstReady is when the first in a line became ready.
const firstReady = `select at from task where id = (select id from ready where lane = ? and prio = ? order by pos, id limit 1)`

func (d depths) ready(ctx context.Context, tx *sql.Tx) error {
	type line struct {
		lane     int32
		priority int16
		n        int64
	}
	var lines []line
	err := run(ctx, tx, func(r *sql.Rows) error {
		var l line
		err := r.Scan(&l.lane, &l.priority, &l.n)
		lines = append(lines, l)
		return err
	}, countReady)
	for i := 0; i < len(lines) && err == nil; i++ {
		l, first := lines[i], int64(0)
		err = tx.QueryRowContext(ctx, firstReady, l.lane, l.priority).Scan(&first)
		d.of(l.lane).AddReady(l.n, first)
	}
	return err
}

func (d depths) timers(ctx context.Context, tx *sql.Tx) error {
	return run(ctx, tx, func(r *sql.Rows) error {
		var both int64 // in one number, which is read faster than two
		if err := r.Scan(&both); err != nil {
			return err
		}
		l := d.of(int32(both >> 3))
		switch task.State(both & 7) {
		case task.Suspended:
			l.Suspended++
		case task.Blocked:
			l.Blocked++
		case task.Running:
			l.Running++
		default:
			l.Scheduled++
		}
		return nil
	}, countTimers)
}

func (d depths) needs(ctx context.Context, tx *sql.Tx) error {
	return d.each(ctx, tx, func(l *store.LaneStats, n int64) { l.Blocked += n }, countNeeds)
}

func (d depths) lines(ctx context.Context, tx *sql.Tx) error {
	return d.each(ctx, tx, func(l *store.LaneStats, n int64) { l.Blocked += n }, countLines)
}

func (d depths) dead(ctx context.Context, tx *sql.Tx) error {
	return d.each(ctx, tx, func(l *store.LaneStats, n int64) { l.Failed = n }, countDead)
}

var countRunning = words.SQL(`select lane, count(*) from task where state = :running and reason <> :reason_acknowledgement and id in (select unhex(value) from json_each(?)) group by lane`)

func (d depths) running(ctx context.Context, tx *sql.Tx) error {
	var ids []string
	err := run(ctx, tx, func(r *sql.Rows) error {
		c, err := scanClaimEntry(r)
		for _, id := range c.Tasks {
			ids = append(ids, hex.EncodeToString(id[:]))
		}
		return err
	}, `select id, node, at, ids, 0 from claim`)
	if err != nil {
		return err
	}
	return d.each(ctx, tx, func(l *store.LaneStats, n int64) { l.Running += n },
		countRunning, jsonList(ids))
}

// each reads how many there are in lanes.
func (d depths) each(ctx context.Context, tx *sql.Tx, set func(*store.LaneStats, int64), query string, args ...any) error {
	return run(ctx, tx, func(r *sql.Rows) error {
		var lane int32
		var n int64
		err := r.Scan(&lane, &n)
		set(d.of(lane), n)
		return err
	}, query, args...)
}
