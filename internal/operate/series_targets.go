package operate

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	mostTargets = 2000 // of an hour that a node counts
	busyTargets = 200  // of those that it writes, the ones with most to do
)

// targets is what happened with each target, by lines and hours: of this hour, and of those
// that are not yet written.
type targets struct {
	tallies map[targetTime]*targetTally
	hours   map[int64]int // how many there are
}

type targetTime struct {
	lineTime
	name string
}

type targetTally struct {
	store.Tally
	number           int32 // that its row has in the store, of this node
	changed, written bool
}

func newTargets() targets { return targets{map[targetTime]*targetTally{}, map[int64]int{}} }

// count notes something of a target; "" = none is known.
func (ts *targets) count(now int64, lane int32, name string, note func(*store.Tally)) {
	if name == "" {
		return
	}
	key := targetTime{lineTime{begin(now, store.Hour), lane}, name}
	t := ts.tallies[key]
	if t == nil {
		if ts.hours[key.at] == mostTargets {
			return
		}
		t = &targetTally{number: ts.number(key)}
		ts.tallies[key] = t
		ts.hours[key.at]++
	}
	note(&t.Tally)
	t.changed = true
}

// number is one that no other target of the line and hour has.
func (ts *targets) number(of targetTime) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(of.name)) // a hash takes all
	number := int32(h.Sum32() >> 1)
	for taken := true; taken; {
		number = max(number, 0) + 1
		taken = false
		for key, t := range ts.tallies {
			taken = taken || key.lineTime == of.lineTime && t.number == number
		}
	}
	return number
}

// rows are those that have changed, of the busiest targets of each hour.
func (ts *targets) rows(node task.ID) (rows []store.Rollup) {
	for hour := range ts.hours {
		for _, key := range ts.busiest(hour) {
			if t := ts.tallies[key]; t.changed {
				t.changed, t.written = false, true
				rows = append(rows, store.Rollup{Step: store.Hour, At: key.at, Lane: key.lane, Target: t.number, Node: node, Data: t.EncodeTarget(key.name)})
			}
		}
	}
	return rows
}

// busiest are the targets of an hour with most to do. One that was written before stays.
func (ts *targets) busiest(hour int64) (keys []targetTime) {
	for key := range ts.tallies {
		if key.at == hour {
			keys = append(keys, key)
		}
	}
	work := func(key targetTime) int64 {
		t := ts.tallies[key]
		if t.written {
			return 1 << 62
		}
		return t.Accepted + t.Started
	}
	slices.SortFunc(keys, func(a, b targetTime) int { return cmp.Or(cmp.Compare(work(b), work(a)), cmp.Compare(a.name, b.name)) })
	return keys[:min(len(keys), busyTargets)]
}

// wrote says whether rows were written: else they are again, and what is of hours before one
// is forgotten.
func (ts *targets) wrote(ok bool, hour int64) {
	for key, t := range ts.tallies {
		switch {
		case !ok && t.written:
			t.changed = true
		case ok && key.at < hour:
			delete(ts.tallies, key)
			delete(ts.hours, key.at)
		}
	}
}

// known are the rows of this node, as it knows them.
func (ts *targets) known(q *store.RollupQuery, node task.ID) (rows []store.Rollup) {
	for key, t := range ts.tallies {
		row := store.Rollup{Step: store.Hour, At: key.at, Lane: key.lane, Target: t.number, Node: node}
		if q.Selects(&row) {
			row.Data = t.EncodeTarget(key.name)
			rows = append(rows, row)
		}
	}
	return rows
}

// targetItems sums rows up by target and hour.
func targetItems(rows []store.Rollup, names []string) []SeriesItem {
	points := map[string]map[int64]*store.Tally{}
	for i := range rows {
		name, t, ok := store.DecodeTarget(rows[i].Data)
		if !ok || len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		if points[name] == nil {
			points[name] = map[int64]*store.Tally{}
		}
		if points[name][rows[i].At] == nil {
			points[name][rows[i].At] = &store.Tally{}
		}
		points[name][rows[i].At].Join(&t)
	}
	return itemsBy(points)
}
