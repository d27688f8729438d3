package calltree

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

func TestACallOfAnEarlierRunSaysSo(t *testing.T) {
	c := &Call{State: sendoff.StateCanceled, Reason: "requested", earlier: true}
	require.Equal(t, "canceled (requested), of an earlier run", c.Status(time.Now()))
}
