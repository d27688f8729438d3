package sendoff_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// everyCall asks a server everything that a client can, about a task or a queue
// by that name.
func everyCall(c *sendoff.Client, name string) map[string]func(context.Context) error {
	task := func(do func(context.Context, string) (*sendoff.Task, error)) func(context.Context) error {
		return func(ctx context.Context) error { _, err := do(ctx, name); return err }
	}
	queue := func(do func(context.Context, string) (*sendoff.Queue, error)) func(context.Context) error {
		return func(ctx context.Context) error { _, err := do(ctx, name); return err }
	}
	return map[string]func(context.Context) error{
		"get": task(c.Get), "wait": task(c.Wait), "cancel": task(c.Tasks.Cancel), "retry": task(c.Tasks.Retry), "run": task(c.Tasks.Run), "restart": task(c.Tasks.Restart),
		"delete":   func(ctx context.Context) error { return c.Tasks.Delete(ctx, name) },
		"signal":   func(ctx context.Context) error { return c.Tasks.Signal(ctx, name, "s", 1) },
		"attempts": func(ctx context.Context) error { return firstError(c.Tasks.Attempts(ctx, name)) },
		"tree":     func(ctx context.Context) error { _, err := c.Tasks.Tree(ctx, name); return err },
		"steps":    func(ctx context.Context) error { _, err := c.Tasks.Steps(ctx, name, sendoff.StepFilter{}); return err },
		"list of a tree": func(ctx context.Context) error {
			for _, err := range c.Tasks.List(ctx, sendoff.Filter{Root: name}) {
				return err
			}
			return nil
		},
		"queue": queue(c.Queues.Get), "pause": queue(c.Queues.Pause), "resume": queue(c.Queues.Resume),
		"purge": func(ctx context.Context) error { _, err := c.Queues.Purge(ctx, name); return err },
		"stats": func(ctx context.Context) error { _, err := c.Queues.Stats(ctx, name); return err },
	}
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	c, ctx := realServer(t, "key"), t.Context()
	for _, name := range []string{"nobody", "01a20468-db79-7b97-bbfc-4d22d6ca9910"} {
		for what, call := range everyCall(c, name) {
			err := call(ctx)
			require.True(t, sendoff.IsNotFound(err), "%s: %v", what, err)
			require.ErrorContains(t, err, name, what)
		}
	}
	_, err := c.Submit(ctx, sendoff.NewTask{ID: "later", Handler: "echo", Delay: time.Hour})
	require.NoError(t, err)
	_, err = c.Submit(ctx, sendoff.NewTask{ID: "over", Handler: "echo"})
	require.NoError(t, err)
	_, err = c.Wait(ctx, "over")
	require.NoError(t, err)
	for what, id := range map[string]string{"retry": "later", "restart": "later", "signal": "later", "steps": "later", "cancel": "over", "run": "over"} {
		err := everyCall(c, id)[what](ctx)
		require.True(t, sendoff.IsConflict(err), "%s: %v", what, err)
		require.ErrorContains(t, err, fmt.Sprintf("task %q: ", id), what)
	}
}

func TestAnotherServerIsNotTakenForSendoff(t *testing.T) {
	others := map[string]http.HandlerFunc{
		"empty JSON":      func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{}`) },
		"other JSON":      func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"status":"ok","data":[]}`) },
		"other items":     func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"items":[{"foo":1}]}`) },
		"no items":        func(w http.ResponseWriter, r *http.Request) { answer(w, 200, `{"items":[null]}`) },
		"no body":         func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200) },
		"a page":          func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>hello</html>")) },
		"a page, 404":     func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"other JSON, 404": func(w http.ResponseWriter, r *http.Request) { answer(w, 404, `{"detail":"Not Found"}`) },
		"other JSON, 409": func(w http.ResponseWriter, r *http.Request) { answer(w, 409, `{}`) },
	}
	for other, handle := range others {
		c := clientOf(t, handle)
		calls := everyCall(c, "x")
		calls["submit"] = func(ctx context.Context) error {
			_, err := c.Submit(ctx, sendoff.NewTask{URL: "http://x/"})
			return err
		}
		calls["batch"] = func(ctx context.Context) error {
			_, err := c.SubmitMany(ctx, []sendoff.NewTask{{URL: "http://x/"}}, false)
			return err
		}
		calls["queues"] = func(ctx context.Context) error { _, err := c.Queues.List(ctx); return err }
		calls["nodes"] = func(ctx context.Context) error { _, err := c.Nodes.List(ctx); return err }
		calls["endpoints"] = func(ctx context.Context) error { _, err := c.Endpoints.List(ctx); return err }
		calls["list"] = func(ctx context.Context) error {
			for _, err := range c.Tasks.List(ctx, sendoff.Filter{}) {
				return err
			}
			return nil
		}
		for what, call := range calls {
			err := call(t.Context())
			require.ErrorContains(t, err, "not that of a Sendoff server", "%s: %s", other, what)
			require.False(t, sendoff.IsNotFound(err) || sendoff.IsConflict(err), "%s: %s", other, what)
		}
	}
}

// TestANameThatLeadsElsewhereIsNotSent: a path with "..", "." or nothing in the place of
// a name is another path.
func TestANameThatLeadsElsewhereIsNotSent(t *testing.T) {
	asked := ""
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://sendoff.test", HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) {
		asked = r.Method + " " + r.URL.Path
	})}})
	require.NoError(t, err)
	for _, name := range []string{"..", ".", ""} {
		for what, call := range everyCall(c, name) {
			if what == "list of a tree" { // which is a parameter
				continue
			}
			require.ErrorContains(t, call(t.Context()), fmt.Sprintf("%q is no name", name), what)
		}
		require.ErrorContains(t, c.Queues.Delete(t.Context(), name), "is no name")
		require.ErrorContains(t, c.Tasks.Signal(t.Context(), "order-42", name, 1), "is no name")
	}
	require.Empty(t, asked, "it was sent")
}

type roundTrip func(*http.Request)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return nil, context.Canceled
}
