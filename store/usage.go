package store

import "context"

// Usage tells how much is stored.
type Usage interface {
	// PayloadBytes sums up the payloads of all tasks of lanes that are stored, those that have
	// ended included, and returns the sum of each lane that has any. It reads all their rows.
	PayloadBytes(ctx context.Context, lanes []int32) (map[int32]int64, error)
}
