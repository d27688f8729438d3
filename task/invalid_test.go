package task_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestFaultsAreBoundedInNumberAndLength(t *testing.T) {
	var bad, all task.Invalid
	for range 1000 {
		bad.Add(strings.Repeat("é", 5000), "is %q", strings.Repeat("é", 5000))
	}
	require.Len(t, bad, task.MaxFaults)
	for range 1000 {
		all.Join("tasks[7].", bad)
	}
	require.Len(t, all, task.MaxFaults)
	require.True(t, strings.HasPrefix(all[0].Field, "tasks[7].é"))
	require.Less(t, len(all.Error()), 20<<10)
	require.True(t, strings.HasSuffix(all[0].Message, "é..."), "a text is cut between two letters")
}
