package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/task"
)

// TestATaskOfAScheduleIsReadAsItWasGiven: what PlannedText writes, Planned reads.
func TestATaskOfAScheduleIsReadAsItWasGiven(t *testing.T) {
	want := accept.Submission{
		Queue: "q", Delay: time.Minute, Priority: new(2), Payload: []byte(`{"a":1}`),
		Spec: task.Spec{
			URL: "http://host/path", ContentType: "application/json", Labels: map[string]string{"k": "v"}, OrderKey: "o",
			Retry:  task.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Second, Jitter: -1}, // none at all
			Limits: []task.Limit{{Key: "l", Concurrency: 2}},
		},
		Callbacks: []accept.Callback{{On: task.OnFailure, Submission: accept.Submission{Spec: task.Spec{Handler: "h"}}}},
	}
	text, err := PlannedText(&want)
	require.NoError(t, err)
	got, err := Planned(text)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
