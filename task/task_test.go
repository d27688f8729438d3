package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sendoff-dev/sendoff/task"
)

func TestDecide(t *testing.T) {
	retry := task.RetryPolicy{MaxAttempts: 3, MinBackoff: time.Second, MaxAge: time.Hour}
	const start = 1_000_000_000_000
	minute := time.Minute.Microseconds()
	for _, tt := range []struct {
		name    string
		attempt task.Attempt
		outcome task.Outcome
		want    task.Decision
	}{
		{"a success ends it", task.Attempt{Failures: 1}, task.Outcome{Class: task.Success},
			task.Decision{To: task.Succeeded, Failures: 1}},
		{"a failure waits for the backoff", task.Attempt{}, task.Outcome{Class: task.Failure},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: time.Second, Failures: 1}},
		{"the backoff doubles", task.Attempt{Failures: 1}, task.Outcome{Class: task.Failure},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: 2 * time.Second, Failures: 2}},
		{"the last failure ends it", task.Attempt{Failures: 2}, task.Outcome{Class: task.Failure},
			task.Decision{To: task.Failed, Reason: task.Exhausted, Failures: 3}},
		{"a failure with Retry-After waits for that", task.Attempt{}, task.Outcome{Class: task.Failure, RetryAfter: time.Minute},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: time.Minute, Failures: 1}},
		{"a failure too late to retry ends it", task.Attempt{Now: start + 60*minute}, task.Outcome{Class: task.Failure},
			task.Decision{To: task.Failed, Reason: task.Exhausted, Failures: 1}},
		{"a reject ends it", task.Attempt{}, task.Outcome{Class: task.Reject},
			task.Decision{To: task.Failed, Reason: task.Rejected, Failures: 1}},
		{"a throttle spends nothing", task.Attempt{Failures: 2}, task.Outcome{Class: task.Throttle, RetryAfter: time.Minute},
			task.Decision{To: task.Scheduled, Reason: task.Throttled, Delay: time.Minute, Failures: 2}},
		{"a throttle tells why, when nobody asked for it", task.Attempt{}, task.Outcome{Class: task.Throttle, Why: task.Refused, RetryAfter: time.Minute},
			task.Decision{To: task.Scheduled, Reason: task.Refused, Delay: time.Minute}},
		{"a throttle is bounded by age", task.Attempt{Now: start + 59*minute}, task.Outcome{Class: task.Throttle, RetryAfter: 2 * time.Minute},
			task.Decision{To: task.Failed, Reason: task.Exhausted}},
		{"a wait is cut at a day", task.Attempt{Retry: task.RetryPolicy{MaxAge: 1000 * time.Hour}}, task.Outcome{Class: task.Throttle, RetryAfter: 99 * time.Hour},
			task.Decision{To: task.Scheduled, Reason: task.Throttled, Delay: 24 * time.Hour}},
		{"an interrupt goes back", task.Attempt{Failures: 2}, task.Outcome{Class: task.Interrupt},
			task.Decision{To: task.Ready, Reason: task.Interrupted, Failures: 2}},
		{"a snooze spends nothing", task.Attempt{Failures: 2}, task.Outcome{Class: task.Snooze, RetryAfter: time.Minute},
			task.Decision{To: task.Scheduled, Reason: task.Snoozed, Delay: time.Minute, Failures: 2}},
		{"a crash goes back to run alone", task.Attempt{}, task.Outcome{Class: task.Crash},
			task.Decision{To: task.Ready, Reason: task.Interrupted, Crashes: 1}},
		{"the third crash ends it", task.Attempt{Crashes: 2}, task.Outcome{Class: task.Crash},
			task.Decision{To: task.Failed, Reason: task.Poison, Crashes: 3}},
		{"a crash of its own process spends an attempt", task.Attempt{Apart: true}, task.Outcome{Class: task.Crash, RetryAfter: 5 * time.Second},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: 5 * time.Second, Failures: 1, Crashes: 1, Spent: true}},
		{"the third crash of its own process ends it", task.Attempt{Apart: true, Failures: 4, Crashes: 2}, task.Outcome{Class: task.Crash},
			task.Decision{To: task.Failed, Reason: task.Poison, Failures: 5, Crashes: 3, Spent: true}},
		{"a crash of its own process can be the last attempt", task.Attempt{Apart: true, Failures: 24}, task.Outcome{Class: task.Crash},
			task.Decision{To: task.Failed, Reason: task.Exhausted, Failures: 25, Crashes: 1, Spent: true}},
		{"breaking down what carries it out spends an attempt", task.Attempt{Failures: 1, Crashes: 3}, task.Outcome{Class: task.Failure, Blame: task.Guilty, RetryAfter: 5 * time.Second},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: 5 * time.Second, Failures: 2, Crashes: 4}},
		{"the fifth time ends it", task.Attempt{Failures: 4, Crashes: 4}, task.Outcome{Class: task.Failure, Blame: task.Guilty},
			task.Decision{To: task.Failed, Reason: task.Poison, Failures: 5, Crashes: 5}},
		{"a failure without evidence keeps the count", task.Attempt{Crashes: 4}, task.Outcome{Class: task.Failure, RetryAfter: 5 * time.Second},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: 5 * time.Second, Failures: 1, Crashes: 4}},
		{"an answer ends the count", task.Attempt{Crashes: 4}, task.Outcome{Class: task.Failure, Blame: task.Cleared, RetryAfter: 5 * time.Second},
			task.Decision{To: task.Scheduled, Reason: task.Backoff, Delay: 5 * time.Second, Failures: 1}},
		{"so does progress", task.Attempt{Crashes: 4}, task.Outcome{Class: task.Suspend}, task.Decision{To: task.Suspended}},
		{"an expiry ends it", task.Attempt{}, task.Outcome{Class: task.Expire},
			task.Decision{To: task.Failed, Reason: task.Expired}},
		{"a cancel ends it", task.Attempt{}, task.Outcome{Class: task.Cancel},
			task.Decision{To: task.Canceled, Reason: task.Requested}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.attempt
			if a.Retry == (task.RetryPolicy{}) {
				a.Retry = retry
			}
			a.FirstStarted = start
			a.Now = max(a.Now, start)
			require.Equal(t, tt.want, task.Decide(a, tt.outcome, 0.5))
		})
	}
}

func TestALostNodeBlamesOnlyWhatRanInsideIt(t *testing.T) {
	for kind, want := range map[task.Kind]task.Decision{
		task.HTTP:     {To: task.Ready, Reason: task.Interrupted, Crashes: 2},
		task.Function: {To: task.Ready, Reason: task.Interrupted, Crashes: 2},
		task.Process:  {To: task.Ready, Reason: task.Interrupted, Crashes: 2},
		task.Local:    {To: task.Failed, Reason: task.Poison, Crashes: 3},
	} {
		require.Equal(t, want, task.DecideLost(kind, task.Attempt{Crashes: 2}), kind)
	}
}

// TestWhatIsBegunOnceIsNeverBegunAgain, whatever took away what ran it. What had not begun
// is, and so is what asks for it itself.
func TestWhatIsBegunOnceIsNeverBegunAgain(t *testing.T) {
	once := task.Attempt{Once: true, Apart: true, Crashes: 1}
	lost := task.Decision{To: task.Failed, Reason: task.Lost, Failures: 1, Crashes: 1, Spent: true}
	require.Equal(t, lost, task.DecideLost(task.Process, once))
	require.Equal(t, lost, task.DecideLost(task.Local, once))
	require.Equal(t, lost, task.Decide(once, task.Outcome{Class: task.Interrupt}, 0))
	require.Equal(t, lost, task.Decide(once, task.Outcome{Class: task.Crash}, 0))
	require.Equal(t, task.Ready, task.Decide(once, task.Outcome{Class: task.Interrupt, Unstarted: true}, 0).To)
	require.Equal(t, task.Scheduled, task.Decide(once, task.Outcome{Class: task.Snooze}, 0).To)
}

func TestEveryDecisionIsALegalTransition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := task.Decide(task.Attempt{
			Failures: rapid.Int32Range(0, 30).Draw(rt, "failures"), Crashes: rapid.Int32Range(0, 3).Draw(rt, "crashes"),
			Now: rapid.Int64Range(0, 1e15).Draw(rt, "now"),
		}, task.Outcome{
			Class:      task.Class(rapid.IntRange(0, 10).Draw(rt, "class")),
			RetryAfter: time.Duration(rapid.Int64().Draw(rt, "retry after")),
		}, rapid.Float64Range(0, 0.999).Draw(rt, "random"))
		require.True(rt, task.Running.CanBecome(d.To), d)
		require.GreaterOrEqual(rt, d.Delay, time.Duration(0))
		require.LessOrEqual(rt, d.Delay, task.MaxRetryAfter)
	})
}

func TestBackoff(t *testing.T) {
	p := task.RetryPolicy{MinBackoff: time.Second, MaxBackoff: 10 * time.Second, Factor: 3}
	for failures, want := range map[int32]time.Duration{0: time.Second, 1: time.Second, 2: 3 * time.Second, 3: 9 * time.Second, 4: 10 * time.Second, 1000: 10 * time.Second} {
		require.Equal(t, want, p.Backoff(failures, 0.5), failures)
	}
	require.Equal(t, 800*time.Millisecond, p.Backoff(1, 0))
	require.InDelta(t, 1200, p.Backoff(1, 0.999999).Milliseconds(), 1)
	p.Jitter = -1
	require.Equal(t, time.Second, p.Backoff(1, 0))
}

func TestASpecComesBackAsItWas(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Just(""))
	rapid.Check(t, func(rt *rapid.T) {
		s := &task.Spec{
			Kind: task.Kind(rapid.IntRange(1, 5).Draw(rt, "kind")), Name: text.Draw(rt, "name"), URL: text.Draw(rt, "url"), Method: text.Draw(rt, "method"),
			Function: text.Draw(rt, "function"), Endpoint: text.Draw(rt, "endpoint"), Process: text.Draw(rt, "process"), Workers: text.Draw(rt, "workers"), Once: rapid.Bool().Draw(rt, "once"), Handler: text.Draw(rt, "handler"),
			ContentType: text.Draw(rt, "content type"), Group: text.Draw(rt, "group"), ClientID: text.Draw(rt, "client id"), UniqueKey: text.Draw(rt, "unique"),
			Timeout: time.Duration(rapid.Int64().Draw(rt, "timeout")), RunAt: rapid.Int64().Draw(rt, "run at"), Profile: task.DispatchrProfile,
			Retry: task.RetryPolicy{
				MaxAttempts: rapid.Int32().Draw(rt, "attempts"), MaxAge: time.Hour, MinBackoff: 1, MaxBackoff: time.Duration(rapid.Int64().Draw(rt, "max backoff")),
				Factor: rapid.Float64().Draw(rt, "factor"), Jitter: rapid.Float64().Draw(rt, "jitter"),
			},
		}
		for range rapid.IntRange(0, 2).Draw(rt, "limits") {
			s.Limits = append(s.Limits, task.Limit{Key: text.Draw(rt, "limit"), Concurrency: rapid.Int32().Draw(rt, "concurrency"), Rate: task.Rate{N: 10, Per: time.Minute}, Burst: 3})
		}
		for range rapid.IntRange(0, 2).Draw(rt, "dependencies") {
			s.DependsOn = append(s.DependsOn, text.Filter(func(id string) bool { return id != "" }).Draw(rt, "dependency"))
		}
		s.OrderKey, s.DuplicateKey, s.OnDuplicate, s.When = text.Draw(rt, "order"), text.Draw(rt, "duplicate"), task.QueueOne, task.AnyFailed
		for range rapid.IntRange(0, 3).Draw(rt, "headers") {
			s.Header = append(s.Header, task.Header{Name: text.Draw(rt, "header"), Value: text.Draw(rt, "value")})
		}
		if labels := rapid.MapOfN(text, text, 0, 3).Draw(rt, "labels"); len(labels) > 0 {
			s.Labels = labels
		}
		got, err := task.DecodeSpec(s.Encode())
		require.NoError(rt, err)
		require.Equal(rt, s, got)
	})
}

func FuzzDecodeSpec(f *testing.F) {
	f.Add((&task.Spec{Kind: task.HTTP, URL: "http://h/", Labels: map[string]string{"a": "b"}}).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := task.DecodeSpec(b)
		if err == nil {
			again, err := task.DecodeSpec(s.Encode())
			if err != nil || again.URL != s.URL {
				t.Fatalf("%v is not stable: %v", s, err)
			}
		}
	})
}

func TestIDs(t *testing.T) {
	const text = "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00"
	id, err := task.ParseID(text)
	require.NoError(t, err)
	require.Equal(t, text, id.String())
	for _, bad := range []string{"", "x", text[1:], text + "0", "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9eg0", "019aab6e06f3a-7c1e-8d24-5f2b7a1c9e00"} {
		_, err := task.ParseID(bad)
		require.ErrorIs(t, err, task.ErrBadID, bad)
	}
	from, before := task.NumberRange(id.Number())
	require.LessOrEqual(t, from.String(), id.String())
	require.Less(t, id.String(), before.String())
	require.Less(t, id.Number(), int64(1)<<53)
	require.Equal(t, from, task.FloorID(id.Time()))
}

func TestFinalStatesAreLeftByARetryOnly(t *testing.T) {
	for _, from := range task.States {
		for _, to := range task.States {
			if from.Final() && from.CanBecome(to) {
				require.Contains(t, []task.State{task.Ready, task.Scheduled, task.Blocked}, to)
			}
		}
		parsed, err := task.ParseState(from.String())
		require.NoError(t, err)
		require.Equal(t, from, parsed)
	}
	_, err := task.ParseState("done")
	require.ErrorContains(t, err, "want one of")
}
