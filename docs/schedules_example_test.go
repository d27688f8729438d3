package docs_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task/cron"
)

// The code of the page about schedules, compiled and run.
func weekdays(begin, end time.Time) (fires int, err error) {
	s, err := cron.New(cron.Spec{Cron: "30 2 * * MON-FRI", Timezone: "Europe/Berlin", EndsAt: end})
	if err != nil {
		return 0, err // it names the field
	}
	for at, ok := s.Next(begin); ok; at, ok = s.Next(at) { // ok is false when it is over
		fires++
	}
	return fires, nil
}

func TestTheScheduleOfThePageIsDueOnWeekdays(t *testing.T) {
	begin := time.Date(2026, 3, 23, 0, 0, 0, 0, time.UTC)
	fires, err := weekdays(begin, begin.AddDate(0, 0, 14))
	require.NoError(t, err)
	require.Equal(t, 10, fires)
}

// TestTheChangesOfClocksOfThePage reads its table of examples.
func TestTheChangesOfClocksOfThePage(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| (\\w+/\\w+) \\| `([^`]+)` \\| (.*) \\| (.*) \\|$")
	dueAt := regexp.MustCompile(`\d\d:\d\d [+-]\d{4}`)
	var day string
	rows := row.FindAllStringSubmatch(pages(t)["schedules.md"], -1)
	require.Len(t, rows, 7)
	for _, r := range rows {
		if !strings.HasPrefix(r[3], "the same") {
			day = r[3][:len("2026-03-29")]
		}
		zone, err := cron.Zone(r[1])
		require.NoError(t, err)
		e, err := cron.Parse(r[2], zone)
		require.NoError(t, err)
		at, err := time.ParseInLocation(time.DateOnly, day, zone)
		require.NoError(t, err)
		want := dueAt.FindAllString(r[4], -1)
		at, _ = e.Next(at)
		for at.Format("15:04 -0700") != want[0] {
			at, _ = e.Next(at)
			require.Equal(t, day, at.Format(time.DateOnly), r[0])
		}
		for _, w := range want {
			require.Equal(t, day+" "+w, at.Format("2006-01-02 15:04 -0700"), r[0])
			at, _ = e.Next(at)
		}
	}
}
