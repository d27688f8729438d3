package alerts_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/alerts"
	"github.com/sendoff-dev/sendoff/task"
)

// world is what nodes share: what is wrong, and what was said, once for what was said before.
type world struct {
	mu    sync.Mutex
	wrong []alerts.Incident
	said  map[alerts.Subject]alerts.Said
	heard []string
}

func (w *world) Look(context.Context, func(alerts.Subject) bool) ([]alerts.Incident, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]alerts.Incident(nil), w.wrong...), nil
}

func (w *world) Said(context.Context) (map[alerts.Subject]alerts.Said, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	copied := map[alerts.Subject]alerts.Said{}
	for k, v := range w.said {
		copied[k] = v
	}
	return copied, nil
}

func (w *world) Say(_ context.Context, i alerts.Incident, over bool, last alerts.Said) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said[i.Subject].ID != last.ID {
		return nil // another node has
	}
	w.said[i.Subject] = alerts.Said{ID: task.ID{byte(len(w.heard) + 1)}, Over: over, Since: i.Since}
	w.heard = append(w.heard, map[bool]string{false: "firing ", true: "over "}[over]+i.Name)
	return nil
}

func (w *world) set(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = nil
	for _, n := range names {
		w.wrong = append(w.wrong, alerts.Incident{Subject: alerts.Subject{Alert: "queue_stuck", Name: n}, Since: time.Now()})
	}
}

func (w *world) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := w.heard
	return heard
}

func TestWhatIsWrongIsSaidOnceAndOnceThatItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{said: map[alerts.Subject]alerts.Said{}}
		node := func() (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- alerts.New(alerts.Config{Look: w.Look, Said: w.Said, Say: w.Say}).Run(ctx)
			}()
			return func() { cancel(); require.NoError(t, <-done) }
		}
		first, second := node(), node()
		defer second()
		w.set("mail")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"firing mail"}, w.take(), "of two nodes one says it, once")

		first()
		defer node()() // a restart forgets nothing
		time.Sleep(time.Minute)
		require.Equal(t, []string{"firing mail"}, w.take())

		w.set()
		time.Sleep(time.Minute)
		w.set("mail")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"firing mail", "over mail", "firing mail"}, w.take())

		w.set("mail", "other")
		time.Sleep(time.Minute)
		w.set("other")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"firing mail", "over mail", "firing mail", "firing other", "over mail"}, w.take())
	})
}

// TestWhatIsSeenOnceIsNotSaid: two looks at a moving thing need not agree.
func TestWhatIsSeenOnceIsNotSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{said: map[alerts.Subject]alerts.Said{}}
		looks := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		flicker := func(ctx context.Context, fires func(alerts.Subject) bool) ([]alerts.Incident, error) {
			if looks++; looks%2 == 0 {
				return nil, nil
			}
			return w.Look(ctx, fires)
		}
		w.set("mail")
		go func() { done <- alerts.New(alerts.Config{Look: flicker, Said: w.Said, Say: w.Say}).Run(ctx) }()
		time.Sleep(10 * time.Minute)
		cancel()
		require.NoError(t, <-done)
		require.Empty(t, w.take())
	})
}
