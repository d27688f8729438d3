package push_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/egress"
	executor "github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// deliver makes a real push to a handler and returns what the server makes of it.
func deliver(t *testing.T, h http.Handler, claimed *store.Claimed, spec task.Spec) task.Outcome {
	t.Helper()
	app := httptest.NewServer(h)
	defer app.Close()
	d, err := egress.New(egress.Config{AllowLoopback: true})
	require.NoError(t, err)
	p := executor.New(d, executor.Config{Queue: func(int32) string { return "mail" }})
	defer p.Close()
	spec.URL = app.URL
	return p.Execute(t.Context(), claimed, &spec)
}

func TestWhatAHandlerReturnsIsTheOutcome(t *testing.T) {
	bad := errors.New("no such address\xff")
	for name, tt := range map[string]struct {
		handle push.HandlerFunc
		class  task.Class
		code   int32
		wait   time.Duration
		body   string
	}{
		"nothing":           {func(http.ResponseWriter, *http.Request) error { return nil }, task.Success, 204, 0, ""},
		"an answer":         {func(w http.ResponseWriter, _ *http.Request) error { _, err := io.WriteString(w, "sent"); return err }, task.Success, 200, 0, "sent"},
		"an answer, failed": {func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(410); return nil }, task.Reject, 410, 0, ""},
		"an error":          {func(http.ResponseWriter, *http.Request) error { return bad }, task.Failure, 500, 0, "no such address?\n"},
		"permanent":         {func(http.ResponseWriter, *http.Request) error { return fmt.Errorf("mail: %w", push.Permanent(bad)) }, task.Reject, 422, 0, "mail: no such address?\n"},
		"permanent, later":  {func(http.ResponseWriter, *http.Request) error { return push.Permanent(push.RetryAfter(bad, time.Hour)) }, task.Reject, 422, 0, "no such address?\n"},
		"later":             {func(http.ResponseWriter, *http.Request) error { return push.RetryAfter(bad, 1500*time.Millisecond) }, task.Failure, 500, 2 * time.Second, "no such address?\n"},
		"snooze":            {func(http.ResponseWriter, *http.Request) error { return push.Snooze(time.Minute) }, task.Throttle, 503, time.Minute, "snoozed for 1m0s\n"},
		"a short snooze":    {func(http.ResponseWriter, *http.Request) error { return push.Snooze(0) }, task.Throttle, 503, time.Second, "snoozed for 0s\n"},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusEarlyHints)
			return push.Permanent(bad)
		}, task.Reject, 422, 0, "no such address?\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o := deliver(t, tt.handle, &store.Claimed{MaxAttempts: 25}, task.Spec{})
			require.Equal(t, tt.class, o.Class, o.Error)
			require.Equal(t, tt.code, o.Code)
			require.Equal(t, tt.wait, o.RetryAfter)
			var body []byte
			if len(o.Answer.Body) > 0 {
				body = o.Answer.Body
			}
			require.Equal(t, tt.body, string(body))
		})
	}
	require.NoError(t, push.Permanent(nil))
	require.NoError(t, push.RetryAfter(nil, time.Second))
}

// What has begun cannot be taken back: a 200 must not stand for a failed task.
func TestAnErrorAfterTheAnswerBeganIsAFailedAttempt(t *testing.T) {
	begin := map[string]func(http.ResponseWriter){
		"a write":   func(w http.ResponseWriter) { io.WriteString(w, "half") },
		"a status":  func(w http.ResponseWriter) { w.WriteHeader(200) },
		"a flush":   func(w http.ResponseWriter) { http.NewResponseController(w).Flush() },
		"a flusher": func(w http.ResponseWriter) { io.WriteString(w, "half"); http.NewResponseController(w).Flush() },
	}
	for name, write := range begin {
		t.Run(name, func(t *testing.T) {
			o := deliver(t, push.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				write(w)
				return errors.New("then it broke")
			}), &store.Claimed{MaxAttempts: 25}, task.Spec{})
			require.Equal(t, task.Failure, o.Class, "%d %s", o.Code, o.Error)
		})
	}
}

func TestAPushSaysWhatItsTaskIs(t *testing.T) {
	var got push.Task
	h := push.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		got = push.TaskOf(r)
		return nil
	})
	claimed := &store.Claimed{MaxAttempts: 3, Failures: 1, Token: 7}
	require.Equal(t, task.Success, deliver(t, h, claimed, task.Spec{Name: "größer 100%"}).Class)
	require.Equal(t, push.Task{ID: got.ID, Queue: "mail", Name: "größer 100%", Attempt: 2, MaxAttempts: 3, Token: 7}, got)
	require.Equal(t, (&task.Spec{}).PublicID(claimed.ID), got.ID)

	claimed.Failures = 2
	require.Equal(t, task.Success, deliver(t, h, claimed, task.Spec{ClientID: " 注文/7%20"}).Class)
	require.Equal(t, " 注文/7%20", got.ID)
	require.True(t, got.Final)
	require.Empty(t, got.Name)

	ids := []string{"a,b", " größer 100%", "order-7"}
	require.Equal(t, task.Success, deliver(t, h, claimed, task.Spec{DependsOn: ids}).Class)
	require.Equal(t, ids, got.DependsOn)
	for n := range 1000 {
		ids = append(ids, fmt.Sprintf("order-%d", n))
	}
	require.Equal(t, task.Success, deliver(t, h, claimed, task.Spec{DependsOn: ids}).Class)
	require.Greater(t, len(got.DependsOn), 300)
	require.Equal(t, ids[:len(got.DependsOn)], got.DependsOn, "as many as fit")

	r := httptest.NewRequest(http.MethodPost, "/", nil)
	require.Zero(t, push.TaskOf(r))
	r.Header.Set(push.HeaderTaskName, "100%")
	require.Equal(t, "100%", push.TaskOf(r).Name, "no encoding at all is shown as it is")
}
