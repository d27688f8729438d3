package cron_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/task/cron"
)

// A drawn expression: its fields as they are written, and as the lists of values that
// the one who drew them had in mind. The parser has no part in it.
type drawn struct {
	text  [5]string
	holds [5]map[int]bool
}

func (d drawn) String() string { return strings.Join(d.text[:], " ") }

func (d drawn) star(i int) bool { return d.text[i][0] == '*' }

// shown tells whether a clock that reads t is at a time of the expression.
func (d drawn) shown(t time.Time) bool {
	day, weekday := d.holds[2][t.Day()], d.holds[4][int(t.Weekday())]
	days := day && weekday
	if !d.star(2) && !d.star(4) {
		days = day || weekday
	}
	return days && d.holds[0][t.Minute()] && d.holds[1][t.Hour()] && d.holds[3][int(t.Month())]
}

func (d drawn) wild() bool { return d.star(1) || len(d.holds[1]) == 24 }

var limits = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}}

func draw(rt *rapid.T) drawn {
	var d drawn
	for i, limit := range limits {
		d.text[i], d.holds[i] = drawField(rt, limit[0], limit[1])
	}
	return d
}

func drawField(rt *rapid.T, lo, hi int) (string, map[int]bool) {
	holds := map[int]bool{}
	add := func(from, to, step int) {
		for v := from; v <= to; v += step {
			holds[v] = true
		}
	}
	step := rapid.IntRange(1, hi).Draw(rt, "step")
	switch rapid.IntRange(0, 4).Draw(rt, "form") {
	case 0, 1:
		add(lo, hi, 1)
		return "*", holds
	case 2:
		add(lo, hi, step)
		return fmt.Sprintf("*/%d", step), holds
	}
	var items []string
	for range rapid.IntRange(1, 3).Draw(rt, "items") {
		from := rapid.IntRange(lo, hi).Draw(rt, "from")
		to := rapid.IntRange(from, hi).Draw(rt, "to")
		switch rapid.IntRange(0, 3).Draw(rt, "item") {
		case 0:
			add(from, to, step)
			items = append(items, fmt.Sprintf("%d-%d/%d", from, to, step))
		case 1:
			add(from, hi, step)
			items = append(items, fmt.Sprintf("%d/%d", from, step))
		default:
			add(from, from, 1)
			items = append(items, fmt.Sprint(from))
		}
	}
	return strings.Join(items, ","), holds
}

// due finds by looking at each minute when an expression is due after a time and up
// to another. A clock is read that is never looked back on: the latest reading is
// kept, and what lies between two readings was skipped.
func (d drawn) due(after, until time.Time, zone *time.Location) []int64 {
	reading := func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	var due []int64
	at := after.Add(-48 * time.Hour).Truncate(time.Minute)
	latest := reading(at)
	for at = at.Add(time.Minute); !at.After(until); at = at.Add(time.Minute) {
		now := reading(at)
		is := d.wild() && d.shown(now)
		for skipped := latest.Add(time.Minute); !d.wild() && !is && !skipped.After(now); skipped = skipped.Add(time.Minute) {
			is = d.shown(skipped)
		}
		if now.After(latest) {
			latest = now
		}
		if is && at.After(after) {
			due = append(due, at.Unix())
		}
	}
	return due
}

func fires(e *cron.Expr, after, until time.Time) []int64 {
	var due []int64
	for {
		at, ok := e.Next(after)
		if !ok || at.After(until) {
			return due
		}
		due, after = append(due, at.Unix()), at
	}
}

var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana", "Pacific/Apia", "Asia/Kathmandu"}

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := cron.Zone(name)
	require.NoError(t, err)
	return zone
}

func compare(t require.TestingT, d drawn, zone *time.Location, after time.Time, length time.Duration) {
	e, err := cron.Parse(d.String(), zone)
	until := after.Add(length)
	want := d.due(after, until, zone)
	if err != nil {
		require.ErrorContains(t, err, "this one is never", d)
		require.Empty(t, want, d)
		return
	}
	require.Equal(t, want, fires(e, after, until), "%s in %s after %s", d, zone, after)
}

func TestNextIsWhatAScanOfEveryMinuteFinds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := draw(rt)
		zone := zoneOf(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		after := time.Date(rapid.IntRange(1996, 2060).Draw(rt, "year"), time.January, rapid.IntRange(1, 366).Draw(rt, "day"),
			0, 0, rapid.IntRange(0, 86399).Draw(rt, "second"), 0, time.UTC)
		if _, change := after.In(zone).ZoneBounds(); !change.IsZero() {
			around := rapid.SampledFrom([]int{0, 3600, 36 * 3600}).Draw(rt, "around")
			after = change.Add(time.Duration(rapid.IntRange(-around, around+3600).Draw(rt, "from")) * time.Second)
		}
		compare(rt, d, zone, after, time.Duration(rapid.IntRange(1, 5).Draw(rt, "days"))*24*time.Hour)
	})
}

func TestAYearOfNextIsAYearOfMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("looks at every minute of some years")
	}
	for year, zone := range map[int]string{2026: "Europe/Berlin", 2028: "America/New_York", 2027: "Australia/Lord_Howe", 2011: "Pacific/Apia"} {
		for seed := range 8 {
			d := rapid.Custom(draw).Example(seed)
			compare(t, d, zoneOf(t, zone), time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), 366*24*time.Hour)
		}
	}
}
