package sendoff

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// Tasks lists, watches and steers the tasks that are there: [Client.Tasks]. Of errors,
// repeats and concurrent use holds what [Client] says.
type Tasks struct{ c *Client }

// List goes through the tasks that a filter selects, newest first, and fetches
// page by page. The first error ends it.
func (t Tasks) List(ctx context.Context, f Filter) iter.Seq2[*Task, error] {
	return pages[*Task](ctx, t.c, "/v1/tasks", f.query(), f.Limit)
}

// pages goes through a listing, up to limit items; 0 = all.
func pages[T any](ctx context.Context, c *Client, path string, q url.Values, limit int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		q, left := maps.Clone(q), limit
		for {
			if limit > 0 {
				q.Set("limit", strconv.Itoa(min(left, maxPage)))
			}
			var page struct {
				items[T]
				NextCursor string `json:"next_cursor"`
			}
			if _, _, err := c.do(ctx, request{method: http.MethodGet, path: path, query: q}, &page); err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			q.Set("cursor", page.NextCursor)
		}
	}
}

// Attempts goes through the attempts of a task that are kept, oldest first; one
// under way is the last. The first 10 and the last 90 are kept, Attempt.LeftOut
// tells how many lay between. It fetches page by page, some megabytes at most
// unless a single answer is larger. The first error ends it.
func (t Tasks) Attempts(ctx context.Context, id string) iter.Seq2[*Attempt, error] {
	return pages[*Attempt](ctx, t.c, taskPath(id, "/attempts"), url.Values{}, 0)
}

// Cancel ends a task and stops its attempt. A function with a [Saga] that has something
// to undo does that first, and has at most 5 minutes for it: until then the reason of
// its state is "canceling". Cancel may be repeated; a task that has ended otherwise
// stays as it is, see [IsConflict].
func (t Tasks) Cancel(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "cancel", true)
}

// CancelNow is Cancel for a function that is to undo nothing, or nothing more.
func (t Tasks) CancelNow(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "cancel?now=true", true)
}

// Retry starts a new run of a task that has ended; see [IsConflict]. It is not
// repeated when its answer is lost: that would say 409 for what the first did.
func (t Tasks) Retry(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "retry", false)
}

// Run makes a scheduled task run now; see [IsConflict]. Like Retry it is not
// repeated.
func (t Tasks) Run(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "run", false)
}

func (t Tasks) act(ctx context.Context, id, verb string, again bool) (*Task, error) {
	var out Task
	if _, _, err := t.c.do(ctx, request{method: http.MethodPost, path: taskPath(id, "/"+verb), again: again}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delete erases a task that is not running, with its attempts.
func (t Tasks) Delete(ctx context.Context, id string) error {
	_, _, err := t.c.do(ctx, request{method: http.MethodDelete, path: taskPath(id, "")}, nil)
	return err
}

// Suggest returns values by which tasks can be selected, at most 20 and in order: of a field
// such as "queue", "target_host" or "label.tenant", or names of labels for "label", those that
// begin with prefix. They are names that the server keeps, and otherwise of the newest tasks.
func (t Tasks) Suggest(ctx context.Context, field, prefix string) ([]string, error) {
	query := url.Values{"field": {field}}
	if prefix != "" {
		query.Set("prefix", prefix)
	}
	var out items[string]
	_, _, err := t.c.do(ctx, request{method: http.MethodGet, path: "/v1/suggest", query: query}, &out)
	return out.Items, err
}

// Tree returns a function and the calls that were made for it, by creation;
// Task.ParentID tells where each belongs.
func (t Tasks) Tree(ctx context.Context, id string) ([]Task, error) {
	var out items[Task]
	_, _, err := t.c.do(ctx, request{method: http.MethodGet, path: taskPath(id, "/tree")}, &out)
	return out.Items, err
}

// Restart begins a function again from its input, whatever its state; the calls
// made for it are canceled. Like Retry it is not repeated when its answer is
// lost.
func (t Tasks) Restart(ctx context.Context, id string) (*Task, error) {
	return t.act(ctx, id, "restart", false)
}

// Signal sends a value to a function that has not ended: it is resumed for it
// when it waits. The value is encoded as JSON. A signal whose answer was lost is
// not sent again.
func (t Tasks) Signal(ctx context.Context, id, name string, value any) error {
	path := taskPath(id, "/signals/"+url.PathEscape(name))
	_, _, err := t.c.do(ctx, request{method: http.MethodPost, path: path, body: value}, nil)
	return err
}

func taskPath(id, rest string) string { return "/v1/tasks/" + url.PathEscape(id) + rest }
