package sendoff

import (
	"context"
	"net/http"
	"net/url"
)

// Queues lists the queues by name.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	var out items[Queue]
	_, _, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/queues"}, &out)
	return out.Items, err
}

// Queue returns one queue. See [IsNotFound].
func (c *Client) Queue(ctx context.Context, name string) (*Queue, error) {
	return c.queue(ctx, http.MethodGet, name, "")
}

// Pause stops tasks of the queue from being started, on all nodes. Attempts
// under way go on, and tasks are accepted. It may be repeated.
func (c *Client) Pause(ctx context.Context, name string) (*Queue, error) {
	return c.queue(ctx, http.MethodPost, name, "/pause")
}

// Resume ends a pause. It may be repeated.
func (c *Client) Resume(ctx context.Context, name string) (*Queue, error) {
	return c.queue(ctx, http.MethodPost, name, "/resume")
}

func (c *Client) queue(ctx context.Context, method, name, rest string) (*Queue, error) {
	var out Queue
	if _, _, err := c.do(ctx, request{method: method, path: queuePath(name, rest), again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// DeleteQueue forgets a queue in which everything has ended, so that its name is
// free again. A [Problem] with the code queue_not_empty says that it has tasks
// that have not ended. The queue "default" stays.
func (c *Client) DeleteQueue(ctx context.Context, name string) error {
	_, _, err := c.do(ctx, request{method: http.MethodDelete, path: queuePath(name, "")}, nil)
	return err
}

// Purge cancels what waits in a queue, ready or scheduled, and returns how many
// tasks it were. Running ones go on.
func (c *Client) Purge(ctx context.Context, name string) (int, error) {
	var out purged
	if _, _, err := c.do(ctx, request{method: http.MethodPost, path: queuePath(name, "/purge")}, &out); err != nil {
		return 0, err
	}
	return *out.Purged, nil
}

type purged struct {
	Purged *int `json:"purged"`
}

// Stats returns how much waits in a queue.
func (c *Client) Stats(ctx context.Context, name string) (*QueueStats, error) {
	var out QueueStats
	if _, _, err := c.do(ctx, request{method: http.MethodGet, path: queuePath(name, "/stats")}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Nodes lists the servers that share the database.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	var out items[Node]
	_, _, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/nodes"}, &out)
	return out.Items, err
}

func queuePath(name, rest string) string { return "/v1/queues/" + url.PathEscape(name) + rest }
