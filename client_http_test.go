package sendoff

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheWaitBetweenResendsIsBounded also for a client that is to send a request again
// for hours: a wait that doubles without an end would pass all bounds, and then zero.
func TestTheWaitBetweenResendsIsBounded(t *testing.T) {
	for try := range 200 {
		wait := resendAfter(try)
		require.GreaterOrEqual(t, wait, 25*time.Millisecond, "try %d", try)
		require.Less(t, wait, 1500*time.Millisecond, "try %d", try)
	}
}
