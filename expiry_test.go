package sendoff_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestExpirySaysWhatWentWrongBefore has a call fail until it expires: the end of its
// time alone explains nothing, neither to people nor to its caller.
func TestExpirySaysWhatWentWrongBefore(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	failing := sendoff.Func("failing", func(context.Context, int) (int, error) {
		return 0, sendoff.RetryAfter(context.DeadlineExceeded, 200*time.Millisecond)
	}, sendoff.Expiration(time.Second))
	patient := sendoff.Func("patient", func(ctx context.Context, _ int) (int, error) {
		return 0, sendoff.Sleep(ctx, time.Hour)
	}, sendoff.Expiration(time.Second))
	caller := sendoff.Func("caller", func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			return patient.Await(ctx, n)
		}
		return failing.Await(ctx, n)
	})
	serveFunctions(t, c, failing, patient, caller)
	// The time is a little shorter than that of the call on a busy machine.
	for n, why := range map[int]string{
		1: `function failing expired: it did not end within (1s|[0-9.]+ms); before that: TEMPORARY_ERROR: context deadline exceeded`,
		0: `function patient expired: it did not end within (1s|[0-9.]+ms); before that: it waited for calls, a timer or a signal`,
	} {
		h, err := caller.Dispatch(ctx, n)
		require.NoError(t, err)
		_, err = h.Wait(ctx)
		require.Error(t, err)
		require.Regexp(t, why, err.Error())
	}
	h, err := failing.Dispatch(ctx, 1)
	require.NoError(t, err)
	_, err = h.Wait(ctx)
	require.Error(t, err)
	row, err := c.Get(ctx, h.ID)
	require.NoError(t, err)
	require.Equal(t, "expired", row.Reason)
	require.Contains(t, row.LastError, "context deadline exceeded")
}
