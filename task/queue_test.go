package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestARateIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]task.Rate{
		"100/s": {N: 100, Per: time.Second}, "10/m": {N: 10, Per: time.Minute}, "1/h": {N: 1, Per: time.Hour}, "1000000/s": {N: 1_000_000, Per: time.Second},
	} {
		got, err := task.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "100", "/s", "0/s", "-1/s", "1.5/s", "1000001/s", "5/d", "5/S", "5 /s", "5/s/s", "1e3/s"} {
		_, err := task.ParseRate(text)
		require.ErrorContains(t, err, `want 1 to 1000000 in a second, minute or hour, such as "100/s"`, text)
	}
}

func TestSettingsOfAQueueAreStoredAsTheyAre(t *testing.T) {
	var none task.QueueSettings
	require.Nil(t, none.Encode())
	all := task.QueueSettings{
		Concurrency: 5, Rate: task.Rate{N: 100, Per: time.Second}, Burst: 20, Timeout: 30 * time.Second, Target: "http://host/path",
		Retry:      task.RetryPolicy{MaxAttempts: 3, MaxAge: time.Hour, MinBackoff: time.Millisecond, MaxBackoff: time.Minute, Factor: 1.5, Jitter: -1},
		Retention:  task.Retention{Succeeded: time.Hour, Failed: 2 * time.Hour, Canceled: 3 * time.Hour},
		Discipline: task.Fair, Weights: task.NewWeights(map[string]int32{"b": 2, "a": 1000, "none": 1}),
	}
	require.Equal(t, map[string]int32{"a": 1000, "b": 2}, all.Weights.Map())
	for _, want := range []task.QueueSettings{none, all, {Concurrency: 1}, {Rate: all.Rate}, {Retry: task.RetryPolicy{Jitter: 0.5}}, {Retention: task.Retention{Failed: task.NotKept}}} {
		var bad task.Invalid
		want.Check(&bad)
		require.NoError(t, bad.Err())
		got, err := task.DecodeQueueSettings(want.Encode())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := task.DecodeQueueSettings([]byte(`{"concurrency":2,"of a newer version":{}}`))
	require.NoError(t, err)
	require.Equal(t, task.QueueSettings{Concurrency: 2}, got)
	_, err = task.DecodeQueueSettings([]byte(`{"concurrency":"x"}`))
	require.Error(t, err)
}

func weights(group string, weight int32) task.Weights {
	return task.NewWeights(map[string]int32{group: weight})
}

func TestFaultsOfSettingsNameFieldAndFix(t *testing.T) {
	second := task.Rate{N: 1, Per: time.Second}
	for want, q := range map[string]task.QueueSettings{
		"concurrency: is -1: want 1 to 1000000":                                     {Concurrency: -1},
		"concurrency: is 1000001: want 1 to 1000000":                                {Concurrency: 1_000_001},
		"burst: is -1: want 1 to 1000000":                                           {Burst: -1, Rate: second},
		"burst: belongs to a rate":                                                  {Burst: 1},
		"rate: is 5 in 24h0m0s: want 1 to 1000000 in a second, a minute or an hour": {Rate: task.Rate{N: 5, Per: 24 * time.Hour}},
		"rate: is -5 in 1s: want 1 to 1000000 in a second, a minute or an hour":     {Rate: task.Rate{N: -5, Per: time.Second}},
		"timeout: is 1ms: want 1s to 24h0m0s":                                       {Timeout: time.Millisecond},
		"retry.max_attempts: is 10001: want 1 to 10000":                             {Retry: task.RetryPolicy{MaxAttempts: 10_001}},
		"retry.min_backoff: is 2s, more than max_backoff (1s)":                      {Retry: task.RetryPolicy{MinBackoff: 2 * time.Second, MaxBackoff: time.Second}},
		"retry.factor: is 0.5: want 1 to 100":                                       {Retry: task.RetryPolicy{Factor: 0.5}},
		"retry.jitter: is 2: want 0 to 1":                                           {Retry: task.RetryPolicy{Jitter: 2}},
		`target: is "ftp://host": want a URL such as http://host/path`:              {Target: "ftp://host"},
		`target: is "/path": want a URL such as http://host/path`:                   {Target: "/path"},
		"retention.succeeded: is -1s: want 1ms to 100 years":                        {Retention: task.Retention{Succeeded: -time.Second}},
		"retention.failed: is 1µs: want 1ms to 100 years":                           {Retention: task.Retention{Failed: time.Microsecond}},
		`discipline: is "lifo": want "fifo" (first in, first out) or "fair"`:        {Discipline: "lifo"},
		`weights: belong to a discipline: want discipline "fair" as well`:           {Weights: weights("a", 2)},
		"weights.a: is 0: want 1 to 1000":                                           {Discipline: task.Fair, Weights: weights("a", 0)},
		"weights.a: is 1001: want 1 to 1000":                                        {Discipline: task.Fair, Weights: weights("a", 1001)},
		"weights: has an empty name: want the name of a group":                      {Discipline: task.Fair, Weights: weights("", 2)},
		"weights: must be text without control characters":                          {Discipline: task.Fair, Weights: weights("a\nb", 2)},
		"retention.canceled: is more than 100 years: want 1ms to 100 years":         {Retention: task.Retention{Canceled: task.Horizon + 1}},
	} {
		var bad task.Invalid
		q.Check(&bad)
		require.ErrorContains(t, bad.Err(), want)
		require.Len(t, bad, 1, want)
	}
}

func TestWhatIsNotSetIsTheDefault(t *testing.T) {
	d := task.QueueSettings{Timeout: task.DefaultTimeout, Retry: task.DefaultRetry, Retention: task.Retention{Succeeded: 1, Failed: 2, Canceled: 3}}
	require.Equal(t, d, task.QueueSettings{}.Or(d))
	got := task.QueueSettings{
		Concurrency: 4, Rate: task.Rate{N: 1, Per: time.Second}, Timeout: time.Minute + 1,
		Retry: task.RetryPolicy{MinBackoff: 2 * time.Hour}, Retention: task.Retention{Failed: 9},
	}.Or(d)
	require.Equal(t, int32(1), got.Burst, "a rate without a burst")
	require.Equal(t, task.Retention{Succeeded: 1, Failed: 9, Canceled: 3}, got.Retention)
	require.Equal(t, 2*time.Hour, got.Retry.MaxBackoff, "a default gives way")
	require.Equal(t, task.DefaultRetry.MaxAttempts, got.Retry.MaxAttempts)
	require.Equal(t, int32(4), got.Concurrency)
}

func TestAPolicyWithoutADefaultForAFieldLeavesItOut(t *testing.T) {
	p := task.RetryPolicy{MinBackoff: 5 * time.Second}
	require.Equal(t, p, p.Or(task.RetryPolicy{}))
	require.Equal(t, time.Hour, p.Or(task.RetryPolicy{}).WithDefaults().MaxBackoff)
}
