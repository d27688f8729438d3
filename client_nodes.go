package sendoff

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Node is a running server.
type Node struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Roles      []string  `json:"roles"`             // accept, execute, schedule
	Version    int       `json:"version,omitempty"` // of what it writes to the database
	StartedAt  time.Time `json:"started_at,omitzero"`
	LeaseUntil time.Time `json:"lease_until,omitzero"` // counts as lost from then on; zero where no other node could take over
	Draining   bool      `json:"draining"`             // claims nothing more: is stopping, or was told so
}

// Nodes lists the servers: [Client.Nodes].
type Nodes struct{ c *Client }

// List returns the servers that share the database.
func (n Nodes) List(ctx context.Context) ([]Node, error) {
	var out items[Node]
	_, _, err := n.c.do(ctx, request{method: http.MethodGet, path: "/v1/nodes"}, &out)
	return out.Items, err
}

// Drain has a server claim nothing more, until [Nodes.Undrain] or until it is started anew. It
// finishes what it runs, and still accepts and schedules. An error for which [IsNotFound] is true when no server
// with this id is alive.
func (n Nodes) Drain(ctx context.Context, id string) (out Node, err error) {
	_, _, err = n.c.do(ctx, request{method: http.MethodPost, path: "/v1/nodes/" + url.PathEscape(id) + "/drain", again: true}, &out)
	return out, err
}

// Undrain has a server claim again that was told to drain, unless it is stopping. Errors are
// those of [Nodes.Drain].
func (n Nodes) Undrain(ctx context.Context, id string) (out Node, err error) {
	_, _, err = n.c.do(ctx, request{method: http.MethodPost, path: "/v1/nodes/" + url.PathEscape(id) + "/undrain", again: true}, &out)
	return out, err
}
