package function

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestAnIdIsSpelledAnewAfterA500(t *testing.T) {
	id, err := task.ParseID("01a20505-38e7-7c1d-8578-3dd5196e0665")
	require.NoError(t, err)
	spelled := func(code, failures int32, sdk string) string {
		r := &run{task: &store.Claimed{ID: id, LastCode: code, Failures: failures}, endpoint: &endpoint{Own: served{sdk: sdk}}}
		same, err := task.ParseID(r.dispatchID())
		require.NoError(t, err)
		require.Equal(t, id, same, "the same id in any spelling")
		return r.dispatchID()
	}
	seen := map[string]bool{}
	for failures := range int32(64) {
		seen[spelled(500, failures, "")] = true
	}
	require.Len(t, seen, 64, "another spelling each time")
	require.Equal(t, id.String(), spelled(503, 3, ""))
	require.Equal(t, id.String(), spelled(500, 3, "sendoff-go/1"), "our SDK keeps runs by their id")
}
