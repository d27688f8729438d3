package sendoff_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/internal/rehearse/wire"
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

// marks are what must be unique in the whole life of a run.
type marks struct {
	mu   sync.Mutex
	seen map[string][]string
}

func (m *marks) make(ctx context.Context, promise bool) error {
	found := map[string]string{"id": fmt.Sprint(sendoff.NewID(ctx)), "random": fmt.Sprint(sendoff.Rand(ctx).Uint64())}
	if promise {
		found["promise"] = sendoff.NewPromise[int](ctx).ID()
	}
	key, err := sendoff.Step(ctx, "key", func(ctx context.Context) (string, error) { return sendoff.StepKey(ctx), nil })
	found["key"] = key
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind, mark := range found {
		m.seen[kind] = append(m.seen[kind], mark)
	}
	return err
}

func TestWhatIsUniqueInARunIsSoInAllItsJournals(t *testing.T) {
	for _, m := range []mode{journalWarm, journalCold, plainCold} {
		var all marks
		loops := sendoff.Func("looping", func(ctx context.Context, n int) (int, error) {
			_, err := sendoff.Loop(ctx, struct{}{}, func(ctx context.Context, _ *struct{}) (bool, error) { // a state that does not change
				if err := all.make(ctx, !m.plain); err != nil {
					return false, err
				}
				futures := make([]*sendoff.Future[time.Time], 0, 1200)
				for range cap(futures) {
					futures = append(futures, sendoff.After(ctx, time.Minute))
				}
				if _, err := sendoff.All(ctx, futures...); err != nil {
					return false, err
				}
				return sendoff.Step(ctx, "enough", func(context.Context) (bool, error) {
					all.mu.Lock()
					defer all.mu.Unlock()
					return len(distinct(all.seen["key"])) >= n || len(all.seen["key"]) > 100, nil
				})
			})
			return 1, err
		})
		var self *sendoff.Function[int, int]
		self = sendoff.Func("hopping", func(ctx context.Context, n int) (int, error) {
			if err := all.make(ctx, !m.plain); err != nil || n == 0 {
				return 1, err
			}
			if err := sendoff.Sleep(ctx, time.Minute); err != nil {
				return 0, err
			}
			return 0, self.TailCall(n - 1)
		})
		for _, f := range []sendoff.AnyFunction{loops, self} {
			t.Run(m.name+" "+f.Name(), func(t *testing.T) {
				all.seen = map[string][]string{}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				s := stage(t, m, 1, f)
				_, err := s.Wait(ctx, start(t, s, f, 6))
				require.NoError(t, err)
				require.GreaterOrEqual(t, len(all.seen["key"]), 6)
				for kind, list := range all.seen {
					require.GreaterOrEqual(t, len(distinct(list)), 6, "%s: %v", kind, list)
					if m.cold { // each is met again in a replay, and is the same
						require.LessOrEqual(t, len(distinct(list)), 7, "%s: %v", kind, list)
					}
				}
			})
		}
	}
}

func distinct(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

func TestALateAnswerToAPromiseOfAnEarlierJournalIsDropped(t *testing.T) {
	ids := make(chan string, 8)
	var self *sendoff.Function[int, string]
	self = sendoff.Func("asks_twice", func(ctx context.Context, n int) (string, error) {
		p := sendoff.NewPromise[string](ctx)
		if _, err := sendoff.Step(ctx, "mail", func(context.Context) (int, error) { ids <- p.ID(); return 0, nil }); err != nil {
			return "", err
		}
		if n > 0 {
			return "", self.TailCall(n - 1)
		}
		return p.Await(ctx)
	})
	s := stage(t, journalCold, 1, self)
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://rehearsal", HTTPClient: wire.Client(s)})
	require.NoError(t, err)
	id := start(t, s, self, 1)
	for _, text := range []string{"late", "right"} {
		s.After(time.Hour, func() { require.NoError(t, sendoff.ResolvePromise(t.Context(), <-ids, text, sendoff.Via(c))) })
	}
	result, err := s.Wait(t.Context(), id)
	require.NoError(t, err)
	require.Contains(t, result.GetOutput().String(), "right")
}
