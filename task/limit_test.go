package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestARateIsNeverExceededByRounding(t *testing.T) {
	for text, every := range map[string]time.Duration{
		"1/s": time.Second, "100/s": 10 * time.Millisecond, "3/s": 333_334 * time.Microsecond, "1000000/s": time.Microsecond,
		"10/m": 6 * time.Second, "5/h": 12 * time.Minute,
	} {
		rate, err := task.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, every, rate.Every(), text)
	}
	require.Zero(t, task.Rate{}.Every())
}

func TestARateIsShownAsItWasGiven(t *testing.T) {
	require.Zero(t, task.RateOf(0))
	for text, shown := range map[string]string{
		"1/s": "1/s", "3/s": "3/s", "100/s": "100/s", "999/s": "999/s", "1000000/s": "1000000/s", "7/m": "7/m", "100/m": "100/m", "5/h": "5/h", "1/h": "1/h",
		"60/m": "1/s", "120/h": "2/m", // the same in a shorter unit
		"700000/s": "500000/s", // a microsecond is the least time there is
	} {
		rate, err := task.ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, shown, task.RateOf(rate.Every()).String(), text)
	}
	for n := range int32(10_000) {
		for _, per := range []time.Duration{time.Second, time.Minute, time.Hour} {
			rate := task.Rate{N: n + 1, Per: per}
			require.Equal(t, rate.Every(), task.RateOf(rate.Every()).Every(), rate.String())
		}
	}
}

func TestDuplicatesAreAdmittedByTheirRule(t *testing.T) {
	for _, c := range []struct {
		rule           task.OnDuplicate
		inside, inLine int
		want           task.Admission
	}{
		{task.Parallel, 0, 0, task.Admitted}, {task.Parallel, 3, 2, task.Admitted},
		{task.Serial, 0, 0, task.Admitted}, {task.Serial, 1, 0, task.InLine}, {task.Serial, 0, 1, task.InLine}, {task.Serial, 1, 5, task.InLine},
		{task.Discard, 0, 0, task.Admitted}, {task.Discard, 1, 0, task.Dropped}, {task.Discard, 0, 1, task.Dropped},
		{task.QueueOne, 0, 0, task.Admitted}, {task.QueueOne, 1, 0, task.InLine}, {task.QueueOne, 1, 1, task.Dropped}, {task.QueueOne, 0, 1, task.Dropped},
		{task.ReplaceDuplicate, 0, 0, task.Admitted}, {task.ReplaceDuplicate, 1, 0, task.Replaces}, {task.ReplaceDuplicate, 0, 1, task.Replaces},
	} {
		require.Equal(t, c.want, task.Admit(c.rule, c.inside, c.inLine), "%s with %d inside and %d in line", c.rule, c.inside, c.inLine)
	}
	for _, rule := range []task.OnDuplicate{task.Parallel, task.Serial, task.Discard, task.QueueOne, task.ReplaceDuplicate} {
		got, err := task.ParseOnDuplicate(rule.String())
		require.NoError(t, err)
		require.Equal(t, rule, got)
	}
	_, err := task.ParseOnDuplicate("queue")
	require.ErrorContains(t, err, "queue_one")
}
