package sendoff

import (
	"context"
	"net/http"
	"time"
)

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

// Endpoints lists the apps that serve functions: [Client.Endpoints].
type Endpoints struct{ c *Client }

// List returns the endpoints of functions that the server has called.
func (e Endpoints) List(ctx context.Context) ([]EndpointStats, error) {
	var out items[EndpointStats]
	_, _, err := e.c.do(ctx, request{method: http.MethodGet, path: "/v1/endpoints"}, &out)
	return out.Items, err
}
