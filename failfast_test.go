package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
)

// part fails after so many minutes when they are negative, and sleeps otherwise.
var part = sendoff.Func("part", func(ctx context.Context, minutes int64) (int64, error) {
	if minutes < 0 {
		err := sendoff.Sleep(ctx, time.Duration(-minutes)*time.Minute)
		return 0, errors.Join(err, sendoff.Permanent(errors.New("out of stock")))
	}
	return minutes, sendoff.Sleep(ctx, time.Duration(minutes)*time.Minute)
})

// starts waits for several calls and is ended before all of them have.
func starts(ctx context.Context, minutes ...int64) error {
	futures := make([]*sendoff.Future[int64], len(minutes))
	for i, m := range minutes {
		futures[i] = part.Start(ctx, m)
	}
	_, err := sendoff.All(ctx, futures...)
	return err
}

// TestAGroupEndsAtOnce: at the first failure, at its deadline, at a cancel; what is
// still at work is canceled, where the server can.
func TestAGroupEndsAtOnce(t *testing.T) {
	const day = 24 * 60
	groups := map[string]struct {
		minutes int64
		fn      func(context.Context) error
	}{
		"all": {1, func(ctx context.Context) error { return starts(ctx, day, -1, day) }},
		"gather": {1, func(ctx context.Context) error {
			_, err := part.Gather(ctx, []int64{day, -1, day})
			return err
		}},
		"after some have ended well": {3, func(ctx context.Context) error { return starts(ctx, 1, 2, -3, day) }},
		"a failure among many": {1, func(ctx context.Context) error {
			return starts(ctx, append(slices.Repeat([]int64{day}, 50), -1)...)
		}},
		"two groups side by side": {2, func(ctx context.Context) error {
			first := sendoff.Go(ctx, func(ctx context.Context) (int, error) { return 0, starts(ctx, day, day, -2) })
			second := sendoff.Go(ctx, func(ctx context.Context) (int, error) { return 0, starts(ctx, -1, day) })
			if err := sendoff.Settled(ctx, second)[0].Err; err == nil {
				return sendoff.Permanent(errors.New("the second has not failed"))
			}
			_, err := first.Await(ctx)
			return err
		}},
		"a deadline": {5, func(ctx context.Context) error {
			ctx, cancel := sendoff.WithTimeout(ctx, 5*time.Minute)
			defer cancel()
			return starts(ctx, day, day)
		}},
		"a deadline of one call": {5, func(ctx context.Context) error {
			below, cancel := sendoff.WithTimeout(ctx, 5*time.Minute)
			defer cancel()
			_, err := part.Await(below, day)
			return err
		}},
		"a cancel by another branch": {5, func(ctx context.Context) error {
			below, cancel := context.WithCancel(ctx)
			defer cancel()
			group := sendoff.Go(below, func(ctx context.Context) (int, error) { return 0, starts(ctx, day, day) })
			if err := sendoff.Sleep(ctx, 5*time.Minute); err != nil {
				return err
			}
			cancel()
			_, err := group.Await(ctx)
			return err
		}},
	}
	for _, m := range []mode{journalWarm, journalCold, {name: "state cold", cold: true}, {name: "plain server", plain: true}} {
		for name, group := range groups {
			t.Run(m.name+", "+name, func(t *testing.T) {
				f := sendoff.Func("group", func(ctx context.Context, _ int) (int, error) { return 0, group.fn(ctx) })
				s := stage(t, m, 1, f, part)
				begun := s.Now()
				require.NotNil(t, play(t, s, f, 0).GetError())
				took := s.Now().Sub(begun)
				require.Equal(t, group.minutes, int64(took/time.Minute), "the group ended after %s", took)
				if !m.plain {
					require.Empty(t, s.Open(), "what nobody waits for goes on")
				}
			})
		}
	}
}

// TestAGroupThatGoesWellIsResumedOnce: a group that goes well is resumed once, as long as
// nothing fails.
func TestAGroupThatGoesWellIsResumedOnce(t *testing.T) {
	f := sendoff.Func("group", func(ctx context.Context, _ int) (int, error) { return 0, starts(ctx, 1, 2, 3, 4, 5) })
	s := stage(t, journalWarm, 1, f, part)
	resumed := 0
	s.Observe = countOf("group", &resumed)
	require.Nil(t, play(t, s, f, 0).GetError())
	require.Equal(t, 2, resumed, "the first run, and the one that gets all results")
}

// TestACallThatNobodyWaitsForAnyMoreIsCanceledAtOnce: its caller goes on after the
// deadline, and it does not.
func TestACallThatNobodyWaitsForAnyMoreIsCanceledAtOnce(t *testing.T) {
	f := sendoff.Func("patient", func(ctx context.Context, _ int) (int, error) {
		below, cancel := sendoff.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err := part.Await(below, 600); !errors.Is(err, context.DeadlineExceeded) {
			return 0, fmt.Errorf("the call was to be given up, and ended with %w", err)
		}
		return 0, sendoff.Sleep(ctx, time.Hour)
	})
	for _, m := range []mode{journalWarm, journalCold} {
		s := stage(t, m, 1, f, part)
		canceled := 0
		s.Observe = func(_ *sdkv1.RunRequest, res *sdkv1.RunResponse) { canceled += len(res.GetReport().GetCancel()) }
		require.Nil(t, play(t, s, f, 0).GetError())
		require.Equal(t, 1, canceled, "%s: the call that was given up went on for the hour that its caller slept", m.name)
	}
}

// TestACallThatExpiresTakesItsCallsAlong: nothing goes on for a caller whose time is
// over.
func TestACallThatExpiresTakesItsCallsAlong(t *testing.T) {
	f := sendoff.Func("group", func(ctx context.Context, _ int) (int, error) { return 0, starts(ctx, 600, 600) })
	outer := sendoff.Func("outer", func(ctx context.Context, _ int) (int, error) {
		return f.Await(ctx, 0, sendoff.Expiration(5*time.Minute))
	})
	s := stage(t, journalWarm, 1, f, outer, part)
	begun := s.Now()
	require.NotNil(t, play(t, s, outer, 0).GetError())
	require.Equal(t, 5*time.Minute, s.Now().Sub(begun).Truncate(time.Minute))
	require.Empty(t, s.Open())
}

// countOf counts the runs of a function.
func countOf(function string, n *int) func(*sdkv1.RunRequest, *sdkv1.RunResponse) {
	return func(req *sdkv1.RunRequest, _ *sdkv1.RunResponse) {
		if req.GetFunction() == function {
			*n++
		}
	}
}
