package calltree

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACallOfAnEarlierRunSaysSo(t *testing.T) {
	c := &Call{State: "canceled", Reason: "requested", earlier: true}
	require.Equal(t, "canceled (requested), of an earlier run", c.Status(time.Now()))
}
