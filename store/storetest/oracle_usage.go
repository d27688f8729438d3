package storetest

import (
	"context"
	"slices"
)

// PayloadBytes implements store.Usage.
func (o *Oracle) PayloadBytes(_ context.Context, lanes []int32) (map[int32]int64, error) {
	out := map[int32]int64{}
	for id, row := range o.tasks {
		if n := len(o.payloads[id]); n > 0 && slices.Contains(lanes, row.Lane) {
			out[row.Lane] += int64(n)
		}
	}
	return out, nil
}
