package sendoff

import (
	"context"
	"net/http"
	"net/url"
)

// Queues is what can be done with queues: [Client.Queues]. Its methods do and return
// what those of a [Client] do.
type Queues struct{ c *Client }

// List returns the queues by name.
func (q Queues) List(ctx context.Context) ([]Queue, error) {
	var out items[Queue]
	_, _, err := q.c.do(ctx, request{method: http.MethodGet, path: "/v1/queues"}, &out)
	return out.Items, err
}

// Get returns one queue. See [IsNotFound].
func (q Queues) Get(ctx context.Context, name string) (*Queue, error) {
	return q.one(ctx, http.MethodGet, name, "")
}

// Pause stops tasks of the queue from being started, on all nodes. Attempts
// under way go on, and tasks are accepted. It may be repeated.
func (q Queues) Pause(ctx context.Context, name string) (*Queue, error) {
	return q.one(ctx, http.MethodPost, name, "/pause")
}

// Resume ends a pause. It may be repeated.
func (q Queues) Resume(ctx context.Context, name string) (*Queue, error) {
	return q.one(ctx, http.MethodPost, name, "/resume")
}

func (q Queues) one(ctx context.Context, method, name, rest string) (*Queue, error) {
	var out Queue
	if _, _, err := q.c.do(ctx, request{method: method, path: queuePath(name, rest), again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delete forgets a queue in which everything has ended, so that its name is
// free again. A [Problem] with the code queue_not_empty says that it has tasks
// that have not ended. The queue "default" stays.
func (q Queues) Delete(ctx context.Context, name string) error {
	_, _, err := q.c.do(ctx, request{method: http.MethodDelete, path: queuePath(name, "")}, nil)
	return err
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many
// tasks it were. Running ones go on.
func (q Queues) Purge(ctx context.Context, name string) (int, error) {
	var out purged
	if _, _, err := q.c.do(ctx, request{method: http.MethodPost, path: queuePath(name, "/purge")}, &out); err != nil {
		return 0, err
	}
	return *out.Purged, nil
}

type purged struct {
	Purged *int `json:"purged"`
}

// Stats returns how much waits in a queue.
func (q Queues) Stats(ctx context.Context, name string) (*QueueStats, error) {
	var out QueueStats
	if _, _, err := q.c.do(ctx, request{method: http.MethodGet, path: queuePath(name, "/stats")}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

func queuePath(name, rest string) string { return "/v1/queues/" + url.PathEscape(name) + rest }
