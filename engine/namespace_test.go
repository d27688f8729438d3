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
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// accepted is the id of a task that was created.
func accepted(t *testing.T, e *engine.Engine, s accept.Submission) string {
	results, err := engine.AcceptorOf(e).Accept(t.Context(), []accept.Submission{s}, true)
	require.NoError(t, err)
	require.Equal(t, store.Created, results[0].Status)
	return results[0].ID.String()
}

// Queues, ids and unique keys of two namespaces have nothing to do with each other,
// and the default one sees only its own.
func TestNamespacesAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, engine.Config{})
		b.HandleFunc("h", func(context.Context, *engine.Call) error { return nil })
		b.run(t)
		defer b.stop()
		tasks := engine.OperatedBy(b.Engine)
		ours := func(namespace int32) accept.Submission {
			return accept.Submission{
				Namespace: namespace, Queue: "q", Spec: task.Spec{Handler: "h", ClientID: "order-1"}, IdempotencyKey: "key",
				Unique: &accept.Unique{Key: "k", Window: time.Hour},
			}
		}
		mine, other := accepted(t, b.Engine, ours(0)), accepted(t, b.Engine, ours(7)) // each is created
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, mine))
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, other))
		for namespace, want := range map[int32]string{0: mine, store.DefaultNamespace: mine, 7: other} {
			for _, queue := range []string{"", "q"} {
				page, err := tasks.List(t.Context(), operate.Filter{Namespace: namespace, Queue: queue})
				require.NoError(t, err)
				require.Len(t, page.Items, 1, "namespace %d, queue %q", namespace, queue)
				require.Equal(t, want, page.Items[0].ID.String())
			}
		}
		page, err := tasks.List(t.Context(), operate.Filter{Namespace: 8, Queue: "q"})
		require.NoError(t, err)
		require.Empty(t, page.Items)

		queues, err := b.Queues().List(t.Context())
		require.NoError(t, err)
		require.Len(t, queues, 1)
		_, err = b.Queues().Pause(t.Context(), "q")
		require.NoError(t, err)
		again := accepted(t, b.Engine, accept.Submission{Namespace: 7, Queue: "q", Spec: task.Spec{Handler: "h"}})
		require.Equal(t, "succeeded , 1 attempts", b.wait(t, again), "the pause of a queue held up one of the same name elsewhere")
	})
}

func TestACallIsInTheNamespaceOfItsCaller(t *testing.T) {
	e, _ := functionEngineWith(t, engine.Config{}, square, sumOfSquares)
	n, err := anypb.New(wrapperspb.Int64(3))
	require.NoError(t, err)
	input, err := proto.Marshal(n)
	require.NoError(t, err)
	id := accepted(t, e, accept.Submission{Namespace: 7, Spec: task.Spec{Function: "sum_of_squares", Endpoint: "embedded://app"}, Payload: input})
	got, err := e.Tasks().Wait(t.Context(), id, time.Minute)
	require.NoError(t, err)
	require.Equal(t, task.Succeeded, got.State, got.LastError)
	page, err := engine.OperatedBy(e).List(t.Context(), operate.Filter{Namespace: 7})
	require.NoError(t, err)
	require.Len(t, page.Items, 1+3)
}
