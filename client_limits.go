package sendoff

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// LimitState is a limit as it is: what is configured, or what the newest task says of it.
type LimitState struct {
	Limit
	Paused     bool `json:"paused"`     // nobody enters
	Configured bool `json:"configured"` // whatever tasks say
	Used       int  `json:"used"`       // tasks that run under it, or may
	Waiting    int  `json:"waiting"`    // tasks in line
}

// LimitSettings is what is configured of a limit. A zero field means that it limits
// nothing.
type LimitSettings struct {
	Concurrency int    `json:"concurrency,omitempty"` // so many tasks run at a time, on all nodes together
	Rate        string `json:"rate,omitempty"`        // so many start: "100/s", "10/m", "5/h"
	Burst       int    `json:"burst,omitempty"`       // of a rate: so many start at once after a rest; default 1
	Paused      bool   `json:"paused,omitempty"`      // nobody enters; what is inside goes on
}

// Limits lists and configures limits: [Client.Limits]. A key may hold any text, at most
// 200 bytes of it. Of errors, repeats and concurrent use holds what [Client] says.
type Limits struct{ c *Client }

// List goes through the limits that are configured, by their keys, and fetches page by
// page. The first error ends it.
func (l Limits) List(ctx context.Context) iter.Seq2[LimitState, error] {
	return pages[LimitState](ctx, l.c, "/v1/limits", url.Values{}, 0)
}

// Get returns a limit that is configured, or that tasks are under. See [IsNotFound].
func (l Limits) Get(ctx context.Context, key string) (*LimitState, error) {
	return l.one(ctx, http.MethodGet, key, nil)
}

// Set configures a limit, in place of what was configured and of what tasks say. Those
// in line enter when it lets them; nobody inside is stopped. It may be repeated.
func (l Limits) Set(ctx context.Context, key string, settings LimitSettings) (*LimitState, error) {
	return l.one(ctx, http.MethodPut, key, settings)
}

// Pause has nobody enter under a limit any more. It configures the limit as it is. Two
// that change it at a time may undo each other.
func (l Limits) Pause(ctx context.Context, key string) (*LimitState, error) {
	return l.setPaused(ctx, key, true)
}

// Resume ends a pause.
func (l Limits) Resume(ctx context.Context, key string) (*LimitState, error) {
	return l.setPaused(ctx, key, false)
}

func (l Limits) setPaused(ctx context.Context, key string, paused bool) (*LimitState, error) {
	had, err := l.Get(ctx, key)
	if err != nil || had.Paused == paused {
		return had, err
	}
	return l.Set(ctx, key, LimitSettings{Concurrency: had.Concurrency, Rate: had.Rate, Burst: had.Burst, Paused: paused})
}

func (l Limits) one(ctx context.Context, method, key string, body any) (*LimitState, error) {
	var out LimitState
	if _, _, err := l.c.do(ctx, request{method: method, path: limitPath(key), body: body, again: true}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delete forgets what was configured of a limit: what the next task says of it counts.
func (l Limits) Delete(ctx context.Context, key string) error {
	_, _, err := l.c.do(ctx, request{method: http.MethodDelete, path: limitPath(key)}, nil)
	return err
}

func limitPath(key string) string { return "/v1/limits/" + url.PathEscape(key) }
