package cron_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task/cron"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func due(t *testing.T, spec cron.Spec, after time.Time, n int) []string {
	t.Helper()
	s, err := cron.New(spec)
	require.NoError(t, err)
	var got []string
	for _, f := range s.Preview(after, n) {
		got = append(got, f.At.Format(time.RFC3339Nano))
	}
	return got
}

func TestEveryCountsFromItsStart(t *testing.T) {
	spec := cron.Spec{Every: 90 * time.Minute, StartsAt: noon.Add(time.Second)}
	require.Equal(t, []string{"2026-03-01T12:00:01Z", "2026-03-01T13:30:01Z"}, due(t, spec, time.Time{}, 2), "from before its start")
	require.Equal(t, []string{"2026-03-01T15:00:01Z"}, due(t, spec, noon.Add(90*time.Minute+time.Second), 1))
	require.Equal(t, []string{"2026-03-01T13:00:00Z"}, due(t, cron.Spec{Every: time.Hour}, noon, 1))
	spec = cron.Spec{Every: 24 * time.Hour, Timezone: "Europe/Berlin", StartsAt: time.Date(2026, 3, 28, 11, 0, 0, 0, time.UTC)}
	require.Equal(t, []string{"2026-03-28T12:00:00+01:00", "2026-03-29T13:00:00+02:00"}, due(t, spec, noon, 2), "time that passes")
}

func TestTimesAreInOrderAndOnce(t *testing.T) {
	spec := cron.Spec{Times: []time.Time{noon.Add(time.Hour), noon, noon.Add(time.Hour), noon.Add(2 * time.Hour)}}
	require.Equal(t, []string{"2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"}, due(t, spec, time.Time{}, 9))
	require.Equal(t, []string{"2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z"}, due(t, spec, noon, 9))
	require.Equal(t, []string{"2026-03-01T12:00:00Z"}, due(t, cron.Spec{At: noon}, time.Time{}, 9))
	require.Empty(t, due(t, cron.Spec{At: noon}, noon, 9))
}

func TestBounds(t *testing.T) {
	spec := cron.Spec{Cron: "0 * * * *", StartsAt: noon, EndsAt: noon.Add(2 * time.Hour)}
	require.Equal(t, []string{"2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"}, due(t, spec, time.Time{}, 9), "with the start, without the end")
	require.Empty(t, due(t, spec, noon.Add(time.Hour), 9))
	spec.EndsAt = spec.StartsAt
	_, err := cron.New(spec)
	require.EqualError(t, err, `ends_at: "2026-03-01T12:00:00Z": want a time after the first fire: nothing is due from starts_at to it`)
}

func TestFaultsOfSchedules(t *testing.T) {
	for want, spec := range map[string]cron.Spec{
		`schedule: "": want exactly one of cron, every, at and times`:                                                                                                              {},
		`schedule: "cron, at": want exactly one of cron, every, at and times`:                                                                                                      {Cron: "* * * * *", At: noon},
		`every: "999ms": want 1s to 100 years in whole milliseconds, such as "90s" or "1h30m"`:                                                                                     {Every: 999 * time.Millisecond},
		`every: "1.0001s": want 1s to 100 years in whole milliseconds, such as "90s" or "1h30m"`:                                                                                   {Every: time.Second + 100*time.Microsecond},
		`times: "0 times": want 1 to 1000`:                                                                                                                                         {Times: []time.Time{}},
		`timezone: "Local": want a name of the IANA time zone database, such as "Europe/Berlin" or "UTC"`:                                                                          {Every: time.Hour, Timezone: "Local"},
		"timezone: \"Berlin\": want a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"\nminute: \"x\": want 0 to 59, such as \"0\", \"*/15\" or \"5,35\"": {Cron: "x * * * *", Timezone: "Berlin"},
	} {
		_, err := cron.New(spec)
		require.EqualError(t, err, want)
	}
}

func TestPreviewNotesChangesOfClocks(t *testing.T) {
	notes := func(text, zone, after string, n int) []string {
		s, err := cron.New(cron.Spec{Cron: text, Timezone: zone})
		require.NoError(t, err)
		at, err := time.ParseInLocation("2006-01-02 15:04", after, s.Zone())
		require.NoError(t, err)
		var got []string
		for _, f := range s.Preview(at, n) {
			got = append(got, f.Note)
		}
		return got
	}
	require.Equal(t, []string{"02:30 does not exist: clocks go forward from 02:00 to 03:00", ""}, notes("30 2 * * *", "Europe/Berlin", "2026-03-29 00:00", 2))
	require.Equal(t, []string{"01:30 comes twice: only the first time is due", "clocks went back by 1h since the one before", ""},
		notes("30 1 * * *", "America/New_York", "2026-11-01 00:00", 3))
	require.Equal(t, []string{"", "01:45 comes twice: the first time", "01:45 comes twice: the second time", ""},
		notes("45 * * * *", "Australia/Lord_Howe", "2026-04-05 00:00", 4))
	require.Equal(t, []string{"", "clocks went forward by 30m since the one before", ""}, notes("0 9 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", 3))
	require.Equal(t, []string{"", "clocks went forward by 1h since the one before"}, notes("0 3 * * *", "Europe/Berlin", "2026-03-28 00:00", 2), "the jump is its own time")
	require.Equal(t, []string{"", ""}, notes("0 3 * * *", "Etc/GMT+5", "2026-03-28 00:00", 2))
}

func TestJitterIsOfTheNameAndSpreads(t *testing.T) {
	require.Zero(t, cron.Jitter("a", 0))
	require.Equal(t, cron.Jitter("report", time.Minute), cron.Jitter("report", time.Minute))
	var tenths [10]int
	for i := range 10_000 {
		j := cron.Jitter(fmt.Sprintf("report-%d", i), time.Minute)
		require.Zero(t, j%time.Microsecond)
		tenths[j*10/time.Minute]++ // out of range when it is not below a minute
	}
	for _, n := range tenths {
		require.InDelta(t, 1000, n, 150, tenths)
	}
}
