package sendoff

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// NewView is a page with what it selects, to be saved.
type NewView struct {
	Path  string `json:"path"`            // of the page in the console, such as "/tasks"
	Query string `json:"query,omitempty"` // what it selects, such as "state=failed&queue=mail"
}

// View is a page with what it selects, that was saved for all who use the namespace.
type View struct {
	Name      string    `json:"name"`
	Path      string    `json:"path"`
	Query     string    `json:"query"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Views saves what people look at often: [Client.Views].
type Views struct{ c *Client }

// List lists the views, by name.
func (v Views) List(ctx context.Context) ([]View, error) {
	var out items[View]
	_, _, err := v.c.do(ctx, request{method: http.MethodGet, path: "/v1/views"}, &out)
	return out.Items, err
}

// Set saves a view, in place of one of its name.
func (v Views) Set(ctx context.Context, name string, view NewView) (*View, error) {
	var out View
	if _, _, err := v.c.do(ctx, request{method: http.MethodPut, path: viewPath(name), body: view}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delete forgets a view. See [IsNotFound].
func (v Views) Delete(ctx context.Context, name string) error {
	_, _, err := v.c.do(ctx, request{method: http.MethodDelete, path: viewPath(name)}, nil)
	return err
}

func viewPath(name string) string { return "/v1/views/" + url.PathEscape(name) }

func (v *View) complete() bool { return v.Path != "" }
