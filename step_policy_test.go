package sendoff

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAStepIsTriedAgainByThePolicyOfTasks(t *testing.T) {
	jitter, none := 0.2, 0.0
	for _, tt := range []struct {
		given       RetryPolicy
		least, most time.Duration // of the first wait
	}{
		{RetryPolicy{}, 160 * time.Millisecond, 240 * time.Millisecond},
		{RetryPolicy{MinBackoff: time.Second, Jitter: &jitter}, 800 * time.Millisecond, 1200 * time.Millisecond},
		{RetryPolicy{MinBackoff: time.Second, Jitter: &none}, time.Second, time.Second},
		{RetryPolicy{MaxBackoff: time.Millisecond, Jitter: &none}, time.Millisecond, time.Millisecond},
		{RetryPolicy{MinBackoff: time.Hour, Jitter: &none}, time.Hour, time.Hour},
	} {
		p := stepPolicy(gather[StepOption](nil, []StepOption{Retry(tt.given)}))
		require.Equal(t, []time.Duration{tt.least, tt.most}, []time.Duration{p.Backoff(1, 0), p.Backoff(1, 1)}, "%+v", tt.given)
		require.EqualValues(t, stepAttempts, p.MaxAttempts)
		require.Zero(t, p.MaxAge)
	}
	require.EqualValues(t, 1, stepPolicy(gather[StepOption](nil, []StepOption{NoRetry()})).MaxAttempts)
}
