package cron_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task/cron"
)

// next are the first times after one, as the clock of the zone shows them.
func next(t testing.TB, text, zone, after string, n int) []string {
	t.Helper()
	e, err := cron.Parse(text, zoneOf(t, zone))
	require.NoError(t, err)
	at, err := time.ParseInLocation("2006-01-02 15:04", after, e.Zone())
	require.NoError(t, err)
	var got []string
	for range n {
		var ok bool
		at, ok = e.Next(at)
		require.True(t, ok)
		got = append(got, at.Format("2006-01-02 15:04 -0700"))
	}
	return got
}

// The rule of the package comment, at both changes of a year in three zones. The
// clock of Lord Howe is changed by half an hour.
func TestChangesOfClocks(t *testing.T) {
	const berlin, newYork, lordHowe = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
	for name, tt := range map[string]struct{ text, zone, after, want string }{
		"Berlin, forward, a named hour is due at the jump":     {"30 2 * * *", berlin, "2026-03-28 12:00", "2026-03-29 03:00 +0200, 2026-03-30 02:30 +0200"},
		"Berlin, forward, several skipped times are due once":  {"*/15 2 * * *", berlin, "2026-03-29 00:00", "2026-03-29 03:00 +0200, 2026-03-30 02:00 +0200"},
		"Berlin, forward, the hour after it at the jump too":   {"0 2,3 * * *", berlin, "2026-03-29 00:00", "2026-03-29 03:00 +0200, 2026-03-30 02:00 +0200"},
		"Berlin, forward, hours that are not skipped stay":     {"30 1,3 * * *", berlin, "2026-03-29 00:00", "2026-03-29 01:30 +0100, 2026-03-29 03:30 +0200"},
		"Berlin, forward, every hour is an hour":               {"0 * * * *", berlin, "2026-03-29 00:00", "2026-03-29 01:00 +0100, 2026-03-29 03:00 +0200, 2026-03-29 04:00 +0200"},
		"Berlin, forward, every second hour, as the clock":     {"30 */2 * * *", berlin, "2026-03-29 00:00", "2026-03-29 00:30 +0100, 2026-03-29 04:30 +0200"},
		"Berlin, back, a named hour is due the first time":     {"30 2 * * *", berlin, "2026-10-24 12:00", "2026-10-25 02:30 +0200, 2026-10-26 02:30 +0100"},
		"Berlin, back, minutes of a named hour too":            {"*/30 2 * * *", berlin, "2026-10-25 00:00", "2026-10-25 02:00 +0200, 2026-10-25 02:30 +0200, 2026-10-26 02:00 +0100"},
		"Berlin, back, every hour is an hour":                  {"0 * * * *", berlin, "2026-10-25 01:00", "2026-10-25 02:00 +0200, 2026-10-25 02:00 +0100, 2026-10-25 03:00 +0100"},
		"Berlin, back, all hours by their numbers are every":   {"0 0-23 * * *", berlin, "2026-10-25 01:00", "2026-10-25 02:00 +0200, 2026-10-25 02:00 +0100"},
		"New York, forward, a named hour is due at the jump":   {"30 2 * * *", newYork, "2026-03-07 12:00", "2026-03-08 03:00 -0400, 2026-03-09 02:30 -0400"},
		"New York, forward, every hour is an hour":             {"30 * * * *", newYork, "2026-03-08 00:30", "2026-03-08 01:30 -0500, 2026-03-08 03:30 -0400"},
		"New York, back, a named hour is due the first time":   {"30 1 * * *", newYork, "2026-10-31 12:00", "2026-11-01 01:30 -0400, 2026-11-02 01:30 -0500"},
		"New York, back, every hour is an hour":                {"30 * * * *", newYork, "2026-11-01 00:30", "2026-11-01 01:30 -0400, 2026-11-01 01:30 -0500, 2026-11-01 02:30 -0500"},
		"New York, back, a day of the month or of the week":    {"30 1 1 * MON", newYork, "2026-10-31 12:00", "2026-11-01 01:30 -0400, 2026-11-02 01:30 -0500, 2026-11-09 01:30 -0500"},
		"New York, forward, a day of the month or of the week": {"30 2 8 * SUN", newYork, "2026-03-07 12:00", "2026-03-08 03:00 -0400, 2026-03-15 02:30 -0400"},
		"New York, forward, only that day of the week":         {"30 2 * 3 SUN", newYork, "2026-03-07 12:00", "2026-03-08 03:00 -0400, 2026-03-15 02:30 -0400"},
		"Lord Howe, forward, a named hour is due at the jump":  {"15 2 * * *", lordHowe, "2026-10-03 12:00", "2026-10-04 02:30 +1100, 2026-10-05 02:15 +1100"},
		"Lord Howe, forward, what is not skipped stays":        {"45 2 * * *", lordHowe, "2026-10-03 12:00", "2026-10-04 02:45 +1100"},
		"Lord Howe, forward, a wildcard skips":                 {"15 * * * *", lordHowe, "2026-10-04 00:30", "2026-10-04 01:15 +1030, 2026-10-04 03:15 +1100"},
		"Lord Howe, back, a named hour is due the first time":  {"45 1 * * *", lordHowe, "2026-04-04 12:00", "2026-04-05 01:45 +1100, 2026-04-06 01:45 +1030"},
		"Lord Howe, back, a wildcard is due twice":             {"45 * * * *", lordHowe, "2026-04-05 01:00", "2026-04-05 01:45 +1100, 2026-04-05 01:45 +1030, 2026-04-05 02:45 +1030"},
		"Beirut, forward at midnight, the day is not lost":     {"0 0 * * *", "Asia/Beirut", "2026-03-28 12:00", "2026-03-29 01:00 +0300, 2026-03-30 00:00 +0300"},
		"Apia, a day that never was, due at its end":           {"0 12 30 12 *", "Pacific/Apia", "2011-12-29 12:00", "2011-12-31 00:00 +1400, 2012-12-30 12:00 +1400"},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Split(tt.want, ", ")
			require.Equal(t, want, next(t, tt.text, tt.zone, tt.after, len(want)))
		})
	}
}

func TestFromWithinATimeThatComesAgain(t *testing.T) {
	zone := zoneOf(t, "Europe/Berlin")
	again := time.Date(2026, 10, 25, 1, 15, 0, 0, time.UTC) // 02:15 for the second time
	for text, want := range map[string]string{"45 2 * * *": "26 02:45 +0100", "45 * * * *": "25 02:45 +0100"} {
		e, err := cron.Parse(text, zone)
		require.NoError(t, err)
		at, _ := e.Next(again)
		require.Equal(t, want, at.Format("02 15:04 -0700"))
	}
}

func TestDays(t *testing.T) {
	for text, want := range map[string]string{
		"0 0 13 * FRI":        "2026-01-02, 2026-01-09, 2026-01-13, 2026-01-16", // either
		"0 0 13 * *":          "2026-01-13, 2026-02-13",
		"0 0 * * 5":           "2026-01-02, 2026-01-09",
		"0 0 13 * ?":          "2026-01-13, 2026-02-13",
		"0 0 */2 * FRI":       "2026-01-09, 2026-01-23", // both, as one begins with *
		"0 0 1-31 * FRI":      "2026-01-02, 2026-01-03",
		"0 0 31 * *":          "2026-01-31, 2026-03-31, 2026-05-31",
		"0 0 29 2 *":          "2028-02-29, 2032-02-29",
		"0 0 29 2 */7":        "2032-02-29, 2060-02-29", // a Sunday
		"0 0 30 2 MON":        "2026-02-02, 2026-02-09",
		"0 0 * * 0":           "2026-01-04, 2026-01-11",
		"0 0 * * 7":           "2026-01-04, 2026-01-11",
		"0 0 * * sat-sun":     "2026-01-03, 2026-01-04, 2026-01-10",
		"0 0 * * 5-7":         "2026-01-02, 2026-01-03, 2026-01-04, 2026-01-09",
		"0 0 1 jan,Jul *":     "2026-07-01, 2027-01-01",
		"@yearly":             "2027-01-01, 2028-01-01",
		"@monthly":            "2026-02-01, 2026-03-01",
		"@Weekly":             "2026-01-04, 2026-01-11",
		"@daily":              "2026-01-02, 2026-01-03",
		"  0\t0 1/10 * *    ": "2026-01-11, 2026-01-21, 2026-01-31, 2026-02-01",
	} {
		t.Run(text, func(t *testing.T) {
			var got []string
			for _, at := range next(t, text, "UTC", "2026-01-01 00:00", strings.Count(want, ",")+1) {
				got = append(got, strings.TrimSuffix(at, " 00:00 +0000"))
			}
			require.Equal(t, want, strings.Join(got, ", "))
		})
	}
}

func TestA29thOfFebruaryComesNotIn2100(t *testing.T) {
	require.Equal(t, []string{"2096-02-29 12:00 +0000", "2104-02-29 12:00 +0000"}, next(t, "0 12 29 2 *", "UTC", "2095-01-01 00:00", 2))
}

func TestFaultsOfExpressions(t *testing.T) {
	for text, want := range map[string]string{
		"60 * * * *":              `minute: "60": want 0 to 59, such as "0", "*/15" or "5,35"`,
		"0 24 * * *":              `hour: "24": want 0 to 23, such as "9", "9-17" or "*/2"`,
		"0 0 0 * *":               `day of month: "0": want 1 to 31, such as "1", "1-7" or "*"`,
		"0 0 1 13 *":              `month: "13": want 1 to 12 or JAN to DEC, such as "1", "JAN-MAR" or "*/3"`,
		"0 0 * * 8":               `day of week: "8": want 0 to 7 or SUN to SAT, such as "1", "MON-FRI" or "*"`,
		"0 0 * * Friday":          `day of week: "Friday": want 0 to 7 or SUN to SAT, such as "1", "MON-FRI" or "*"`,
		"0 22-2 * * *":            `hour: "22-2": want the smaller first; 22-23,0-2 for a range over the end`,
		"*/60 * * * *":            `minute: "*/60": want a step of 1 to 59`,
		"*/0 * * * *":             `minute: "*/0": want a step of 1 to 59`,
		"1-2-3 * * * *":           `minute: "2-3": want 0 to 59, such as "0", "*/15" or "5,35"`,
		"1,,2 * * * *":            `minute: "": want 0 to 59, such as "0", "*/15" or "5,35"`,
		"+5 * * * *":              `minute: "+5": want 0 to 59, such as "0", "*/15" or "5,35"`,
		"? * * * *":               `minute: "?": want 0 to 59, such as "0", "*/15" or "5,35"`,
		"0 0 L * *":               `day of month: "L": want 1 to 31, such as "1", "1-7" or "*"`,
		"0 0 30 2 *":              `day of month: "30": want a day that month 2 has: this one is never`,
		"0 0 31 APR,JUN *":        `day of month: "31": want a day that month APR,JUN has: this one is never`,
		"@reboot":                 `cron: "@reboot": want @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, or five fields`,
		"TZ=Europe/Paris 0 0 * *": `cron: "TZ=Europe/Paris 0 0 * *": want no variable before the fields: a time zone is a field of the schedule`,
		"0 0 0 1 1 *":             `cron: "0 0 0 1 1 *": want five fields: there is none for seconds; an interval below a minute is an "every" such as 10s`,
		"":                        `cron: "": want five fields: minute, hour, day of month, month, day of week, such as "30 2 * * MON-FRI"`,
	} {
		_, err := cron.Parse(text, nil)
		require.EqualError(t, err, want, text)
	}
	_, err := cron.Parse(strings.Repeat("1,", 300), nil)
	require.ErrorContains(t, err, "at most 500 bytes")
}

// time.Time.ZoneBounds says of this day that its period is over.
func TestTheLastDayOfALeapYear(t *testing.T) {
	require.Equal(t, []string{"2060-12-31 12:00 +0100", "2061-12-31 12:00 +0100"}, next(t, "0 12 31 12 *", "Europe/Berlin", "2060-12-30 13:00", 2))
	require.Equal(t, []string{"2060-12-31 23:59 +0100", "2061-01-01 00:00 +0100"}, next(t, "* * * * *", "Europe/Berlin", "2060-12-31 23:58", 2))
}

func TestNothingIsDueAfterTheYear9999(t *testing.T) {
	e, err := cron.Parse("0 0 1 1 *", zoneOf(t, "Europe/Berlin"))
	require.NoError(t, err)
	for _, after := range []time.Time{time.Date(9999, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(200000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<62, 0), time.Unix(math.MaxInt64, 0)} {
		_, ok := e.Next(after)
		require.False(t, ok, after.Unix())
	}
	for _, after := range []time.Time{time.Unix(-1<<62, 0), time.Unix(math.MinInt64, 0)} {
		at, ok := e.Next(after)
		require.True(t, ok)
		require.Equal(t, 2, at.Year())
	}
}

// How often it is due in a year is what matters to who pays for it.
func TestFiresOfAYear(t *testing.T) {
	for text, want := range map[string]int{
		"* * * * *": 365 * 1440, "0 * * * *": 365 * 24, "30 2 * * *": 365, "*/15 2 * * *": 364*4 + 1,
		"0 9 * * MON-FRI": 261, "0 0 1 * *": 12, "0 0 13 * FRI": 12 + 52 - 3, "0 0 29 2 *": 0,
	} {
		e, err := cron.Parse(text, zoneOf(t, "Europe/Berlin"))
		require.NoError(t, err)
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, e.Zone())
		require.Len(t, fires(e, start.Add(-time.Second), start.AddDate(1, 0, 0).Add(-time.Second)), want, text)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"* * * * *", "*/5 1-5 1,2 JAN-DEC SUN", "@daily", "0 0 30 2 *", "5/20 ? ? * sat-sun", "0 0 29 2 */7"} {
		f.Add(seed, int64(1_774_000_000), 1)
	}
	f.Fuzz(func(t *testing.T, text string, after int64, place int) {
		zone := zoneOf(t, zones[uint(place)%uint(len(zones))])
		e, err := cron.Parse(text, zone)
		if err != nil {
			return
		}
		again, err := cron.Parse(e.String(), zone)
		require.NoError(t, err)
		require.Equal(t, e, again)
		from := time.Unix(after, 0)
		if at, ok := e.Next(from); ok {
			require.True(t, at.After(from), "%s is not after %s", at, from)
			require.Zero(t, at.Nanosecond())
		}
	})
}
