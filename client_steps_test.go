package sendoff_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
)

// foreign serves functions as the SDKs of Dispatch do: without a journal.
type foreign struct{}

func (foreign) Run(context.Context, *sdkv1.RunRequest) (*sdkv1.RunResponse, error) {
	return &sdkv1.RunResponse{Status: sdkv1.Status_STATUS_OK, Directive: &sdkv1.RunResponse_Exit{Exit: &sdkv1.Exit{}}}, nil
}

func foreignSDK() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(sdkv1connect.NewFunctionServiceHandler(foreign{}))
	return mux
}

func TestStepsAreSeenWhileAFunctionRunsAndAfterwards(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	goOn := make(chan struct{})
	tries := 0
	flow := sendoff.Func("flow", func(ctx context.Context, _ int) (string, error) {
		_, err := sendoff.Step(ctx, "slow", func(context.Context) (map[string]int, error) {
			<-goOn
			return map[string]int{"n": 1}, nil
		})
		if err != nil {
			return "", err
		}
		_, _ = sendoff.Go(ctx, func(ctx context.Context) (int, error) {
			return sendoff.Step(ctx, "refused", func(context.Context) (int, error) {
				if tries++; tries < 3 {
					return 0, sendoff.RetryAfter(errors.New("not yet"), 1)
				}
				return 0, sendoff.Permanent(errors.New("no money"))
			})
		}).Await(ctx)
		given := sendoff.StepAsync(ctx, "given up", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		raw, err := sendoff.Step(ctx, "bytes", func(context.Context) ([]byte, error) { return []byte{0xff, 0xfe}, nil })
		given.Cancel()
		return fmt.Sprint(len(raw)), err
	})
	serveFunctions(t, c, flow)
	h, err := flow.Dispatch(ctx, 1, sendoff.CallID("mine"), sendoff.Via(c))
	require.NoError(t, err)

	// The first step is on record while it runs, before anything has ended.
	require.Eventually(t, func() bool {
		page, err := c.Tasks.Steps(ctx, "mine", sendoff.StepFilter{})
		require.NoError(t, err)
		return len(page.Items) == 1 && page.Items[0].State == sendoff.StateRunning && page.Items[0].Name == "slow" && page.Counts[sendoff.StateRunning] == 1
	}, time.Minute, 20*time.Millisecond)
	close(goOn)
	out, err := h.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, "2", out)

	page, err := c.Tasks.Steps(ctx, "mine", sendoff.StepFilter{})
	require.NoError(t, err)
	require.Empty(t, page.Note)
	require.Equal(t, map[sendoff.State]int{"running": 0, "succeeded": 2, "failed": 1, "interrupted": 0, "canceled": 1}, page.Counts)
	require.Len(t, page.Items, 4)
	slow, refused, given, raw := page.Items[0], page.Items[1], page.Items[2], page.Items[3]
	require.Equal(t, []any{"slow", sendoff.StateSucceeded, 1, `{"n":1}`, h.ID + ":1"}, []any{slow.Name, slow.State, slow.Attempts, string(slow.Result), slow.Key})
	require.Equal(t, slow.FinishedAt.Sub(slow.StartedAt), slow.Duration)
	require.Contains(t, slow.Site, "client_steps_test.go:")
	require.Equal(t, []any{"refused", sendoff.StateFailed, 3, h.ID + ":2/1", "no money"}, []any{refused.Name, refused.State, refused.Attempts, refused.Key, refused.Error.Message})
	require.Equal(t, []any{"given up", sendoff.StateCanceled, 0}, []any{given.Name, given.State, given.Attempts})
	require.Equal(t, []any{"bytes", sendoff.StateSucceeded, `"//4="`}, []any{raw.Name, raw.State, string(raw.Result)})
}

func TestAFunctionOfManyStepsIsSeenInPages(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	const steps = 1203
	flow := sendoff.Func("flow", func(ctx context.Context, size int) (int, error) {
		futures := make([]*sendoff.Future[string], steps)
		for i := range futures {
			futures[i] = sendoff.StepAsync(ctx, fmt.Sprintf("step %d", i), func(context.Context) (string, error) { return string(make([]byte, size)), nil })
		}
		_, err := sendoff.All(ctx, futures...)
		return steps, err
	})
	serveFunctions(t, c, flow)
	h, err := flow.Dispatch(ctx, 2000, sendoff.Via(c))
	require.NoError(t, err)
	_, err = h.Wait(ctx)
	require.NoError(t, err)
	for _, newest := range []bool{false, true} {
		filter, pages, seen := sendoff.StepFilter{Limit: 500, Newest: newest}, 0, 0
		for {
			page, err := c.Tasks.Steps(ctx, h.ID, filter)
			require.NoError(t, err)
			require.Equal(t, steps, page.Counts[sendoff.StateSucceeded])
			for _, s := range page.Items {
				want := fmt.Sprintf("step %d", seen)
				if newest {
					want = fmt.Sprintf("step %d", steps-1-seen)
				}
				require.Equal(t, want, s.Name)
				seen++
			}
			pages++
			if filter.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		require.Equal(t, steps, seen)
		require.Equal(t, 3, pages)
	}
	_, err = c.Tasks.Steps(ctx, h.ID, sendoff.StepFilter{Cursor: "nonsense"})
	require.ErrorContains(t, err, "cursor")

	// A page holds at most 1 MiB of results, and a journal that is gone has no next page.
	h, err = flow.Dispatch(ctx, 8000, sendoff.Via(c))
	require.NoError(t, err)
	_, err = h.Wait(ctx)
	require.NoError(t, err)
	page, err := c.Tasks.Steps(ctx, h.ID, sendoff.StepFilter{Limit: 500})
	require.NoError(t, err)
	require.Less(t, len(page.Items), 500)
	require.NotEmpty(t, page.Next)
	_, err = c.Tasks.Restart(ctx, h.ID)
	require.NoError(t, err)
	_, err = h.Wait(ctx)
	require.NoError(t, err)
	_, err = c.Tasks.Steps(ctx, h.ID, sendoff.StepFilter{Cursor: page.Next})
	require.True(t, sendoff.IsConflict(err), "%v", err)
}

func TestTasksWithoutAJournalSaySo(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	app := httptest.NewServer(foreignSDK())
	t.Cleanup(app.Close)
	_, err := c.Submit(ctx, sendoff.NewTask{ID: "foreign", Function: "f", Endpoint: app.URL, Payload: 1})
	require.NoError(t, err)
	_, err = c.Wait(ctx, "foreign")
	require.NoError(t, err)
	page, err := c.Tasks.Steps(ctx, "foreign", sendoff.StepFilter{})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	require.Contains(t, page.Note, "only functions of Sendoff's SDK for Go keep one here")

	_, err = c.Submit(ctx, sendoff.NewTask{ID: "plain", Handler: "echo"})
	require.NoError(t, err)
	_, err = c.Tasks.Steps(ctx, "plain", sendoff.StepFilter{})
	require.True(t, sendoff.IsConflict(err), "%v", err)
	_, err = c.Tasks.Steps(ctx, "nobody", sendoff.StepFilter{})
	require.True(t, sendoff.IsNotFound(err), "%v", err)
}
