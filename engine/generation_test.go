package engine_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// keeper hands the keys of its steps on from life to life.
var keeper *sendoff.Function[[]string, []string]

func init() {
	keeper = sendoff.Func("keeper", func(ctx context.Context, in []string) ([]string, error) {
		id := sendoff.NewPromise[int](ctx).ID()
		key, err := sendoff.Step(ctx, "key", func(ctx context.Context) (string, error) { return sendoff.StepKey(ctx), nil })
		if in = append(in, id, key); err != nil || len(in) == 8 {
			return in, err
		}
		return nil, keeper.TailCall(in)
	})
}

func TestEachLifeOfARunHasItsOwnKeys(t *testing.T) {
	_, client := functionEngine(t, keeper)
	id := submitFunction(t, client, "keeper", []string{})
	var keys []string
	require.NoError(t, json.Unmarshal(untilState(t, client, id, sendoff.StateSucceeded).Result, &keys))
	require.Len(t, keys, 8)
	slices.Sort(keys)
	require.Len(t, slices.Compact(slices.Clone(keys)), 8, "%q", keys)
}
