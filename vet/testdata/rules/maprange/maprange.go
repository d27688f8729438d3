// Package maprange breaks the rule about the order of maps.
package maprange

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/sendoff-dev/sendoff"
)

var charge = sendoff.Func("charge", func(_ context.Context, n int) (int, error) { return n, nil })

func both(ctx context.Context, n int) (int, error) { return charge.Await(ctx, n) }

var bad = sendoff.Func("bad", func(ctx context.Context, in map[string]int) (int, error) {
	var futures []*sendoff.Future[int]
	for _, n := range in {
		futures = append(futures, charge.Start(ctx, n)) // want `SENDOFF2002: sendoff.Function.Start in a range over a map.*slices.Sorted`
	}
	for _, n := range in {
		if _, err := both(ctx, n); err != nil { // want `SENDOFF2002: both in a range over a map`
			return 0, err
		}
	}
	ids := map[string]string{}
	for name := range maps.Keys(in) {
		ids[name] = sendoff.NewID(ctx) // want `SENDOFF2002: sendoff.NewID in a range over maps.Keys`
	}
	var all sync.Map
	all.Range(func(_, _ any) bool {
		return sendoff.Sleep(ctx, 1) == nil // want `SENDOFF2002: sendoff.Sleep in a range over a sync.Map`
	})
	got, err := sendoff.All(ctx, futures...)
	return len(got), err
})

var good = sendoff.Func("good", func(ctx context.Context, in map[string]int) (int, error) {
	sum := 0
	for _, n := range in {
		sum += n
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if _, err := charge.Await(ctx, in[name]); err != nil {
			return 0, err
		}
	}
	counts, err := sendoff.Step(ctx, "count", func(context.Context) (int, error) {
		n := 0
		for range in {
			n += len(sendoff.NewID(context.Background()))
		}
		return n, nil
	})
	for i, r := range charge.Each(ctx, []int{sum, counts}, 0) {
		sum += i + r.Value
	}
	return sum, err
})
