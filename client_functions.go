package sendoff

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// FunctionError is what a function failed with, as the server shows it.
type FunctionError struct {
	Type      string `json:"type,omitempty"` // class of the error in the language of the function
	Message   string `json:"message"`
	Traceback string `json:"traceback,omitempty"`
}

// EndpointStats is an app that serves functions, as the node that answers knows
// it.
type EndpointStats struct {
	Endpoint    string    `json:"endpoint"`
	Limit       int       `json:"limit"` // runs at a time that are tried now
	InFlight    int       `json:"in_flight"`
	Waiting     int       `json:"waiting"`               // runs that wait for the limit
	PausedUntil time.Time `json:"paused_until,omitzero"` // left alone until then
	Succeeded   int64     `json:"succeeded"`
	Failed      int64     `json:"failed"`
	LastError   string    `json:"last_error,omitempty"`
	SDK         string    `json:"sdk,omitempty"`
}

// Tree returns a function and the calls that were made for it, by creation;
// Task.ParentID tells where each belongs.
func (c *Client) Tree(ctx context.Context, id string) ([]Task, error) {
	var out items[Task]
	_, _, err := c.do(ctx, request{method: http.MethodGet, path: taskPath(id, "/tree")}, &out)
	return out.Items, err
}

// Restart begins a function again from its input, whatever its state; the calls
// made for it are canceled. Like Retry it is not repeated when its answer is
// lost.
func (c *Client) Restart(ctx context.Context, id string) (*Task, error) {
	return c.act(ctx, id, "restart", false)
}

// Signal sends a value to a function that has not ended: it is resumed for it
// when it waits. The value is encoded as JSON. A signal whose answer was lost is
// not sent again.
func (c *Client) Signal(ctx context.Context, id, name string, value any) error {
	path := taskPath(id, "/signals/"+url.PathEscape(name))
	_, _, err := c.do(ctx, request{method: http.MethodPost, path: path, body: value}, nil)
	return err
}

// Endpoints lists the endpoints of functions that the server has called.
func (c *Client) Endpoints(ctx context.Context) ([]EndpointStats, error) {
	var out items[EndpointStats]
	_, _, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/endpoints"}, &out)
	return out.Items, err
}
