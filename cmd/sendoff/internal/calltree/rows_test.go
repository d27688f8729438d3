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

func TestACallIsCalledByItsFunctionAndItsName(t *testing.T) {
	require.Equal(t, "sendoff.graph.job Page", remoteCall(&sendoff.Task{Function: "sendoff.graph.job", Name: "Page"}).Name)
	require.Equal(t, "pay", remoteCall(&sendoff.Task{Function: "pay", Name: "pay"}).Name)
	require.Equal(t, "pay", remoteCall(&sendoff.Task{Function: "pay"}).Name)
	require.Equal(t, "mail", remoteCall(&sendoff.Task{Name: "mail", URL: "http://127.0.0.1/"}).Name)
}
