package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestATimeIsReadAsRFC3339WritesIt(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-31T12:00:00Z":            "2026-01-31T12:00:00Z",
		"2026-01-31t12:00:00.25z":         "2026-01-31T12:00:00.25Z",
		"2026-01-31T12:00:00-23:59":       "2026-02-01T11:59:00Z",
		"2016-12-31T23:59:60Z":            "2017-01-01T00:00:00Z",
		"2017-01-01T00:59:60+01:00":       "2017-01-01T00:00:00Z",
		"0000-01-01T00:00:00.1234567891Z": "0000-01-01T00:00:00.123456789Z",
	} {
		got, err := task.ParseTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.UTC().Format(time.RFC3339Nano))
	}
	for _, text := range []string{
		"", "noon", "2026-01-31", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01",
		"2026-01-31T12:00:00+0100", "2026-01-31T1:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:60Z", "2026-02-29T12:00:00Z",
		"2026-13-01T12:00:00Z", "2026-01-31T12:00:00.Z", "+2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z\n", "2026-01-31T12:00:00\u017f",
	} {
		_, err := task.ParseTime(text)
		require.Error(t, err, "%q", text)
	}
}

func TestADurationIsTextOrSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0": 0, "0.5": time.Second / 2, "3153600000": task.Horizon, "1e300": 1<<63 - 1, "-1e300": -1 << 63,
	} {
		got, err := task.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "soon", "NaN", "1 h"} {
		_, err := task.ParseDuration(text)
		require.Error(t, err, "%q", text)
	}
}

func TestABackoffThatIsGivenWinsOverTheOtherOnesDefault(t *testing.T) {
	defaults := task.RetryPolicy{MinBackoff: time.Second, MaxBackoff: time.Hour}
	for given, want := range map[task.RetryPolicy]task.RetryPolicy{
		{}:                             defaults,
		{MaxBackoff: time.Millisecond}: {MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond},
		{MinBackoff: 2 * time.Hour}:    {MinBackoff: 2 * time.Hour, MaxBackoff: 2 * time.Hour},
	} {
		require.Equal(t, want, given.Or(defaults))
		full := given.WithDefaults()
		require.Equal(t, []time.Duration{want.MinBackoff, want.MaxBackoff}, []time.Duration{full.MinBackoff, full.MaxBackoff})
	}
}
