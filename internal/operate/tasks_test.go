package operate

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestATaskHasThreeNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.insert(t, "q", task.Spec{URL: "http://a/"})
		id := r.insert(t, "q", task.Spec{URL: "http://b/", ClientID: "order-1"})
		for _, name := range []string{id, "order-1", strconv.FormatInt(parsed(t, id).Number(), 10)} {
			got, err := r.tasks.Get(t.Context(), name)
			require.NoError(t, err, name)
			require.Equal(t, "order-1", got.PublicID())
			require.Equal(t, "q", got.Queue)
		}
		for _, name := range []string{"nobody", "12345678901234", task.ID{1}.String()} {
			_, err := r.tasks.Get(t.Context(), name)
			require.ErrorIs(t, err, store.ErrNotFound)
			require.ErrorContains(t, err, name, "the error says which one")
		}
		payload, err := r.tasks.Payload(t.Context(), parsed(t, id))
		require.NoError(t, err)
		require.Equal(t, "payload", string(payload))
		rows, err := r.tasks.Rows(t.Context(), []task.ID{parsed(t, id), {1}})
		require.NoError(t, err)
		require.Len(t, rows, 1, "what is gone is left out")
	})
}

func TestWhoWaitsIsToldAtOnceAndLooksByItself(t *testing.T) {
	for name, tt := range map[string]struct {
		tell bool
		want time.Duration
	}{"here": {true, 0}, "on another node": {false, lookEvery}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				id := r.insert(t, "q", task.Spec{})
				c := r.claim(t, id)
				go func() {
					time.Sleep(10 * time.Second)
					r.settle(t, &c, task.Success, task.Succeeded, "")
					if tt.tell {
						r.tasks.Ended(c.ID)
					}
				}()
				began := time.Now()
				got, err := r.tasks.Wait(t.Context(), id, time.Hour)
				require.NoError(t, err)
				require.Equal(t, task.Succeeded, got.State)
				require.LessOrEqual(t, time.Since(began), 10*time.Second+tt.want)
			})
		})
	}
}

func TestAWaitEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		id := r.insert(t, "q", task.Spec{})
		began := time.Now()
		got, err := r.tasks.Wait(t.Context(), id, time.Minute)
		require.NoError(t, err)
		require.Equal(t, task.Ready, got.State)
		require.Equal(t, time.Minute, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, err = r.tasks.Wait(ctx, id, time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, id, got.ID.String(), "as it was last seen")
		_, err = r.tasks.Wait(t.Context(), "nobody", time.Minute)
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestATaskIsSteered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		id := r.insert(t, "q", task.Spec{}, func(n *store.NewTask) { n.Delay = time.Hour.Microseconds() })
		got, err := r.tasks.RunNow(ctx, id)
		require.NoError(t, err)
		require.Equal(t, task.Ready, got.State)
		require.Equal(t, 1, r.woken)
		c := r.claim(t, id)
		_, err = r.tasks.RunNow(ctx, id)
		require.ErrorIs(t, err, store.ErrRunning)
		require.ErrorIs(t, r.tasks.Delete(ctx, id), store.ErrRunning)
		_, err = r.tasks.Retry(ctx, id)
		require.ErrorIs(t, err, store.ErrNotFinal)

		got, err = r.tasks.Cancel(ctx, id)
		require.NoError(t, err)
		require.Equal(t, task.Canceled, got.State)
		require.Equal(t, []task.ID{c.ID}, r.stopped, "its attempt is told to stop")
		_, err = r.tasks.Cancel(ctx, id)
		require.NoError(t, err, "once more is nothing")

		got, err = r.tasks.Retry(ctx, id)
		require.NoError(t, err)
		require.Equal(t, task.Ready, got.State)
		require.EqualValues(t, 2, got.Run)
		require.Equal(t, 2, r.woken)
		again := r.claim(t, id)
		r.settle(t, &again, task.Success, task.Succeeded, "")
		_, err = r.tasks.CancelNow(ctx, id)
		require.ErrorIs(t, err, store.ErrFinal)
		require.ErrorContains(t, err, id)
		require.NoError(t, r.tasks.Delete(ctx, id))
		require.ErrorIs(t, r.tasks.Delete(ctx, id), store.ErrNotFound)
	})
}

func TestAListingFindsByWhatTasksAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		named := map[string]string{
			"http":   r.insert(t, "q", task.Spec{URL: "http://App:80/x", Name: "hello", Labels: map[string]string{"a": "1", "b": ""}}),
			"other":  r.insert(t, "p", task.Spec{URL: "http://app/x"}),
			"called": r.insert(t, "q", task.Spec{Kind: task.Function, Function: "f"}),
		}
		c := r.claim(t, named["other"])
		time.Sleep(time.Minute)
		r.settle(t, &c, task.Success, task.Succeeded, "")
		later := time.Now()
		named["late"] = r.insert(t, "q", task.Spec{})
		for name, tt := range map[string]struct {
			f    Filter
			want []string
		}{
			"all, newest first":  {Filter{}, []string{"late", "called", "other", "http"}},
			"of a queue":         {Filter{Queue: "q"}, []string{"late", "called", "http"}},
			"of no queue":        {Filter{Queue: "nope"}, nil},
			"by name":            {Filter{Name: "hello"}, []string{"http"}},
			"by function":        {Filter{Function: "f"}, []string{"called"}},
			"by host":            {Filter{TargetHost: "app:80"}, []string{"http"}},
			"by labels":          {Filter{Labels: map[string]string{"a": "1", "b": ""}}, []string{"http"}},
			"by a label not had": {Filter{Labels: map[string]string{"a": "1", "c": ""}}, nil},
			"by state":           {Filter{States: []task.State{task.Succeeded}}, []string{"other"}},
			"ended":              {Filter{FinishedAfter: later.Add(-time.Second)}, []string{"other"}},
			"ended before":       {Filter{FinishedBefore: later.Add(-time.Second)}, nil},
			"created since":      {Filter{CreatedAfter: later}, []string{"late"}},
			"created before":     {Filter{CreatedBefore: later}, []string{"called", "other", "http"}},
		} {
			for _, limit := range []int{0, 1} {
				var got []string
				f := tt.f
				f.Limit = limit
				for {
					page, err := r.tasks.List(ctx, f)
					require.NoError(t, err, name)
					require.False(t, page.Partial, name)
					for _, item := range page.Items {
						got = append(got, item.ID.String())
					}
					if f.Cursor = page.Next; page.Next == "" {
						break
					}
				}
				var want []string
				for _, n := range tt.want {
					want = append(want, named[n])
				}
				require.Equal(t, want, got, "%s, %d a page", name, limit)
			}
		}
		_, err := r.tasks.List(ctx, Filter{Cursor: "x"})
		require.ErrorIs(t, err, ErrBadCursor)
		_, err = r.tasks.List(ctx, Filter{Root: "nobody"})
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func TestAttemptsAreShownToTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx := t.Context()
		id := r.insert(t, "q", task.Spec{})
		for range 2 {
			c := r.claim(t, id)
			r.settle(t, &c, task.Failure, task.Ready, "no")
		}
		c := r.claim(t, id)
		outcomes := func() (out []task.Class) {
			var page AttemptPage
			var err error
			for {
				page, err = r.tasks.Attempts(ctx, id, page.Next, 1)
				require.NoError(t, err)
				for _, a := range page.Items {
					out = append(out, a.Outcome)
				}
				if page.Next == "" {
					return out
				}
			}
		}
		require.Equal(t, []task.Class{task.Failure, task.Failure, task.NoOutcome}, outcomes(), "one is under way")
		r.settle(t, &c, task.Success, task.Succeeded, "")
		require.Equal(t, []task.Class{task.Failure, task.Failure, task.Success}, outcomes())
		_, err := r.tasks.Attempts(ctx, id, "x", 0)
		require.ErrorIs(t, err, ErrBadCursor)
		_, err = r.tasks.Attempts(ctx, "nobody", "", 0)
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}
