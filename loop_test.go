package sendoff_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

var plainCold = mode{name: "plain cold", plain: true, cold: true}

// A replay of the last iteration of a journal sees the whole journal and must go
// on in it where the run did.
func TestLoopEndsItsJournalWhereTheRunDidInAReplayToo(t *testing.T) {
	naps := sendoff.Func("naps", func(ctx context.Context, n int) (int, error) {
		return sendoff.Loop(ctx, 0, func(ctx context.Context, s *int) (bool, error) {
			futures := make([]*sendoff.Future[time.Time], 0, 333)
			for range cap(futures) {
				futures = append(futures, sendoff.After(ctx, time.Minute))
			}
			if _, err := sendoff.All(ctx, futures...); err != nil {
				return false, err
			}
			*s++
			return *s == n, sendoff.Sleep(ctx, time.Minute)
		})
	})
	large := sendoff.Func("large", func(ctx context.Context, n int) (int, error) {
		return sendoff.Loop(ctx, 0, func(ctx context.Context, s *int) (bool, error) {
			_, err := sendoff.Step(ctx, "large", func(context.Context) ([]byte, error) {
				return bytes.Repeat([]byte("x"), 400_000), nil
			})
			if err != nil {
				return false, err
			}
			echoInt.Start(ctx, *s, sendoff.Detached()) // waits for a poll after the loop has returned
			*s++
			return *s == n, sendoff.Sleep(ctx, time.Minute)
		})
	})
	late := sendoff.Func("late", func(ctx context.Context, n int) (int, error) {
		out, err := sendoff.Loop(ctx, 0, func(ctx context.Context, s *int) (bool, error) {
			_, err := sendoff.Step(ctx, "large", func(context.Context) ([]byte, error) {
				return bytes.Repeat([]byte("x"), 400_000), nil
			})
			*s++
			return *s == n, err
		})
		echoInt.Start(ctx, out, sendoff.Detached()) // what is asked for after the loop is on record too
		return out, err
	})
	for _, m := range []mode{journalWarm, journalCold, plainCold} {
		for _, f := range []sendoff.AnyFunction{naps, large, late} {
			t.Run(m.name+" "+f.Name(), func(t *testing.T) {
				s := stage(t, m, 1, f, echoInt)
				require.EqualValues(t, 14, number(t, play(t, s, f, 14)))
			})
		}
	}
}
