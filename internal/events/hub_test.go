package events_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/events"
)

func hub() *events.Hub { return events.NewHub(func() {}) }

func now() int64 { return time.Now().UnixMicro() }

func publish(h *events.Hub, from, to int) {
	for i := from; i < to; i++ {
		h.Publish(events.Event{Type: "created", Task: fmt.Sprint(i), At: now()})
	}
}

func drain(l *events.Listener) (tasks []string, last uint64) {
	for {
		e, n, over := l.Next(context.Background(), time.Millisecond)
		if e == nil || over {
			return tasks, last
		}
		if e.Type == events.Reset {
			e.Task = "reset"
		}
		tasks, last = append(tasks, e.Task), n
	}
}

// TestNothingIsKeptWhileNobodyListens: and what is kept comes in order, once.
func TestNothingIsKeptWhileNobodyListens(t *testing.T) {
	h := hub()
	require.False(t, h.Wanted())
	publish(h, 0, 3)
	l, known := h.Listen(0)
	require.True(t, known)
	publish(h, 3, 6)
	got, last := drain(l)
	require.Equal(t, []string{"3", "4", "5"}, got)
	l.Close()
	require.True(t, h.Wanted(), "it may come back")
	publish(h, 6, 8)
	l, known = h.Listen(last)
	require.True(t, known)
	got, _ = drain(l)
	require.Equal(t, []string{"6", "7"}, got)
	_, known = h.Listen(1000)
	require.False(t, known)
	h.Close()
	_, _, over := l.Next(t.Context(), time.Second)
	require.True(t, over)
}

// TestWhoIsTooSlowIsTold that something is missing, and hears what comes then.
func TestWhoIsTooSlowIsTold(t *testing.T) {
	h := hub()
	l, _ := h.Listen(0)
	publish(h, 0, 20_000)
	got, last := drain(l)
	require.Equal(t, []string{"reset"}, got)
	require.EqualValues(t, 20_000, last)
	publish(h, 20_000, 20_001)
	got, _ = drain(l)
	require.Equal(t, []string{"20000"}, got)
	_, known := h.Listen(5)
	require.False(t, known)
}

// TestANodeHearsAnotherOnce: and is told of what it missed.
func TestANodeHearsAnotherOnce(t *testing.T) {
	here, there := hub(), hub()
	l, _ := here.Listen(0)
	publish(there, 0, 5)
	hear := func() []string {
		told := there.Tell()
		here.Hear(map[string]events.Told{"there": told})
		got, _ := drain(l)
		return got
	}
	require.Empty(t, hear(), "nothing is told before it knows that somebody listens")
	there.Hear(map[string]events.Told{"here": here.Tell()})
	publish(there, 5, 8)
	require.Equal(t, []string{"5", "6", "7"}, hear())
	require.Empty(t, hear())
	publish(there, 8, 10)
	require.Equal(t, []string{"8", "9"}, hear())
	publish(there, 10, 5_000)
	got := hear()
	require.Equal(t, "reset", got[0])
	require.Equal(t, "4999", got[len(got)-1])
	require.Len(t, got, 1001)
	here.Hear(nil) // the node is gone
	require.NotEmpty(t, hear(), "another one with its name begins anew")
}
