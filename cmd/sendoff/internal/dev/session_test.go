package dev

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/calltree"
	"github.com/sendoff-dev/sendoff/task"
)

func TestACallIsTriedAgainAtOnceWhenItLostTheApp(t *testing.T) {
	for name, tt := range map[string]struct {
		call calltree.Call
		want bool
	}{
		"nobody listened":                      {calltree.Call{Cause: task.CauseRefused, Attempt: 9}, true},
		"the app went away":                    {calltree.Call{Cause: task.CauseReset, Attempt: hastyAttempts}, true},
		"the app goes away each time":          {calltree.Call{Cause: task.CauseReset, Attempt: hastyAttempts + 1}, false},
		"the app was too slow":                 {calltree.Call{Cause: task.CauseTimeout, Attempt: 1}, false},
		"the app's own words are no cause":     {calltree.Call{Err: "connection refused", Attempt: 1}, false},
		"nobody listened, and it runs already": {calltree.Call{Cause: task.CauseRefused, State: sendoff.StateRunning}, false},
	} {
		if tt.call.State == "" {
			tt.call.State = sendoff.StateScheduled
		}
		require.Equal(t, tt.want, refused(&tt.call), name)
	}
}
