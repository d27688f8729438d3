package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Queues, ids and unique keys of two namespaces have nothing to do with each other,
// and the default one sees only its own.
func TestNamespacesAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		b.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
		b.run(t)
		defer b.stop()
		ours := func(s *engine.Submission) {
			s.Queue, s.Spec.ClientID, s.IdempotencyKey = "q", "order-1", "key"
			s.Unique = &engine.Unique{Key: "k", Window: time.Hour}
		}
		theirs := func(s *engine.Submission) { s.Namespace = 7 }
		mine, other := b.submit(t, "h", ours), b.submit(t, "h", ours, theirs) // each is created
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, mine))
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, other))
		for namespace, want := range map[int32]string{0: mine, store.DefaultNamespace: mine, 7: other} {
			for _, queue := range []string{"", "q"} {
				page, err := b.Tasks().List(t.Context(), operate.Filter{Namespace: namespace, Queue: queue})
				require.NoError(t, err)
				require.Len(t, page.Items, 1, "namespace %d, queue %q", namespace, queue)
				require.Equal(t, want, page.Items[0].ID.String())
			}
		}
		page, err := b.Tasks().List(t.Context(), operate.Filter{Namespace: 8, Queue: "q"})
		require.NoError(t, err)
		require.Empty(t, page.Items)

		queues, err := b.Queues().List(t.Context())
		require.NoError(t, err)
		require.Len(t, queues, 1)
		_, err = b.Queues().SetPaused(t.Context(), "q", true)
		require.NoError(t, err)
		again := b.submit(t, "h", theirs, func(s *engine.Submission) { s.Queue = "q" })
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, again), "the pause of a queue held up one of the same name elsewhere")
	})
}

func TestACallIsInTheNamespaceOfItsCaller(t *testing.T) {
	e, _ := functionEngineWith(t, engine.Config{}, square, sumOfSquares)
	n, err := anypb.New(wrapperspb.Int64(3))
	require.NoError(t, err)
	input, err := proto.Marshal(n)
	require.NoError(t, err)
	r, err := e.Submit(t.Context(), engine.Submission{Namespace: 7, Spec: task.Spec{Function: "sum_of_squares", Endpoint: "embedded://app"}, Payload: input})
	require.NoError(t, err)
	got, err := e.Tasks().Wait(t.Context(), r.ID.String(), time.Minute)
	require.NoError(t, err)
	require.Equal(t, task.Succeeded, got.State, got.LastError)
	page, err := e.Tasks().List(t.Context(), operate.Filter{Namespace: 7})
	require.NoError(t, err)
	require.Len(t, page.Items, 1+3)
}
