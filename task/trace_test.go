package task_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestATraceIsReadAndWrittenAsTheStandardWants(t *testing.T) {
	const given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	trace := task.ParseTrace(given)
	require.False(t, trace.Hidden)
	require.Equal(t, given, trace.Traceparent(trace.Parent))
	hidden := task.ParseTrace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	require.True(t, hidden.Hidden)
	require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", hidden.Traceparent(hidden.Parent))
	require.Equal(t, trace, task.ParseTrace("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later"), "of a later version")
	for _, bad := range []string{
		"", "00", given + "-more", "ff" + given[2:], "0" + given[2:], "00-00000000000000000000000000000000-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
	} {
		require.Zero(t, task.ParseTrace(bad), bad)
	}
}

func TestATaskKeepsItsTrace(t *testing.T) {
	for _, given := range []string{"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"} {
		spec := task.Spec{URL: "http://app", Trace: task.ParseTrace(given)}
		stored, err := task.DecodeSpec(spec.Encode())
		require.NoError(t, err)
		require.Equal(t, spec.Trace, stored.TraceOf(task.ID{1}))
	}
	id := task.ID{1, 2, 3, 8: 0x80}
	own := (&task.Spec{}).TraceOf(id)
	require.Equal(t, [16]byte(id), own.ID)
	require.Zero(t, own.Parent)
	require.True(t, own.Own)
	below := task.Spec{Trace: own.Below(task.AttemptSpan(id, 1))}
	stored, err := task.DecodeSpec(below.Encode())
	require.NoError(t, err)
	require.Equal(t, below.Trace, stored.Trace)
}

func TestSpansOfATaskDiffer(t *testing.T) {
	id := task.ID{1, 2, 3, 8: 0x80}
	seen := map[task.SpanID]bool{task.SpanOf(id): true}
	for token := range int64(100) {
		seen[task.AttemptSpan(id, token)] = true
	}
	require.Len(t, seen, 101)
	require.Equal(t, task.AttemptSpan(id, 7), task.AttemptSpan(id, 7), "every node knows it")
}
