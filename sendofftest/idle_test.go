package sendofftest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/sendofftest"
)

// TestWhatWaitsForASignalThatNobodySendsIsTold, and does not wait for ever.
func TestWhatWaitsForASignalThatNobodySendsIsTold(t *testing.T) {
	never := sendoff.Func("never", func(ctx context.Context, _ struct{}) (bool, error) {
		return sendoff.NewSignal[bool]("verdict").Recv(ctx)
	})
	_, err := sendofftest.Run(sendofftest.New(t, never), never, struct{}{})
	require.ErrorIs(t, err, sendofftest.ErrIdle)
}
