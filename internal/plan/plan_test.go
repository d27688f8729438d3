package plan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/plan"
)

func at(clock string) int64 {
	t, err := time.Parse(time.DateTime, "2027-03-01 "+clock)
	if err != nil {
		panic(err)
	}
	return t.UnixMicro()
}

func clocks(times []int64) (list []string) {
	for _, t := range times {
		list = append(list, time.UnixMicro(t).UTC().Format(time.TimeOnly))
	}
	return list
}

// TestWhatWasMissedIsCaughtUpWith: nobody was there from 10:00 on.
func TestWhatWasMissedIsCaughtUpWith(t *testing.T) {
	for _, tt := range []struct {
		catchUp, window, now string
		missed               int
		fire, next           string
	}{
		{"none", "", "10:00:20", 0, "10:00:00", "10:01:00"}, // that is no outage
		{"none", "", "10:05:20", 5, "10:05:00", "10:06:00"},
		{"none", "", "10:05:40", 6, "", "10:06:00"},
		{"one", "", "10:00:20", 0, "10:00:00", "10:01:00"},
		{"one", "", "10:05:20", 5, "10:05:00", "10:06:00"},
		{"one", "", "10:05:40", 5, "10:05:00", "10:06:00"}, // late, and the last one
		{"one", "35s", "10:05:40", 6, "", "10:06:00"},
		{"all", "", "10:03:40", 0, "10:00:00 10:01:00 10:02:00 10:03:00", "10:04:00"},
		{"all", "2m", "10:03:40", 2, "10:02:00 10:03:00", "10:04:00"},
		{"all", "1s", "10:03:40", 4, "", "10:04:00"},
		{"none", "", "14:00:00", 1, "14:00:00", "14:01:00"}, // 240 are told of as one
	} {
		t.Run(fmt.Sprint(tt.catchUp, tt.window, " at ", tt.now), func(t *testing.T) {
			d := plan.Definition{Cron: "* * * * *", CatchUp: tt.catchUp, CatchUpWindow: tt.window}
			rules, err := d.Rules("n")
			require.NoError(t, err)
			due := rules.Due(at("10:00:00"), at(tt.now))
			require.Len(t, due.Missed, tt.missed)
			require.Equal(t, tt.fire, strings.Join(clocks(due.Fire), " "))
			require.Equal(t, []string{tt.next}, clocks([]int64{due.Next}))
		})
	}
}

// TestNoTimeIsLeftOut: whenever somebody looks, each time is fired or missed, once.
func TestNoTimeIsLeftOut(t *testing.T) {
	for _, catchUp := range []string{"none", "one", "all"} {
		d := plan.Definition{Every: "7s", CatchUp: catchUp, CatchUpWindow: "4m", Jitter: "5s"}
		rules, err := d.Rules("jittered")
		require.NoError(t, err)
		next := rules.Next(at("10:00:00"))
		want := next
		for now, step := next, int64(1); now < at("16:00:00"); now += step {
			due := rules.Due(next, now)
			for _, m := range due.Missed {
				require.Equal(t, want, m.Due)
				want = rules.Next(want)
			}
			for _, f := range due.Fire {
				require.Equal(t, want, f)
				want = rules.Next(want)
			}
			require.Equal(t, want, due.Next)
			next = due.Next
			step = step*7%600_000_000 + 1
		}
		require.Greater(t, next, at("11:00:00"))
	}
}

func TestALongOutageOfAQuickScheduleIsOneLine(t *testing.T) {
	d := plan.Definition{Every: "1s", CatchUp: "one"}
	rules, err := d.Rules("n")
	require.NoError(t, err)
	begun := time.Now()
	due := rules.Due(at("10:00:00"), at("10:00:00")+(10*365*24*time.Hour).Microseconds())
	require.Len(t, due.Missed, 1)
	require.Contains(t, due.Missed[0].Reason, "so it was at all times until 2037-02-26T09:59:29Z")
	require.Len(t, due.Fire, 31)
	require.Less(t, time.Since(begun), time.Second)
}

func TestDefinitionsAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                        "exactly one of cron, every, at and times",
		`{"cron":"* * * * *","every":"1m"}`:         "exactly one of cron, every, at and times",
		`{"cron":"61 * * * *"}`:                     "minute",
		`{"every":"500ms"}`:                         "every",
		`{"every":"soon"}`:                          "want a duration",
		`{"at":"tomorrow"}`:                         "want a time such as",
		`{"times":[]}`:                              "times",
		`{"every":"1m","overlap":"skip"}`:           "want parallel, serial, discard, queue_one or replace",
		`{"every":"1m","catch_up":"some"}`:          "want none, one or all",
		`{"every":"1m","timezone":"Europe/Bärlin"}`: "timezone",
		`{"every":"1m","jitter":"25h"}`:             "jitter",
		`{"every":"1m","catch_up_window":"10ms"}`:   "catch_up_window",
		`{"every":"1h","starts_at":"2027-01-01T00:00:00Z","ends_at":"2026-01-01T00:00:00Z"}`: "ends_at",
	} {
		var d plan.Definition
		require.NoError(t, json.Unmarshal([]byte(text), &d))
		_, err := d.Rules("n")
		require.ErrorContains(t, err, want, text)
	}
	d := plan.Definition{Every: "60"}
	_, err := d.Rules("n")
	require.NoError(t, err)
	require.Equal(t, "1m0s", d.Every)
	_, err = d.Rules("")
	require.ErrorContains(t, err, "name")
}
