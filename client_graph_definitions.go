package sendoff

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// GraphRevision is a revision of the definition of a job graph, as the server keeps it.
type GraphRevision struct {
	Name       string          `json:"name"`
	Rev        int             `json:"rev"`                  // from 1 on
	Definition json.RawMessage `json:"definition,omitempty"` // only of [Graphs.Get]
	CreatedAt  time.Time       `json:"created_at"`
}

// complete tells whether it is an answer of a server of ours.
func (g *GraphRevision) complete() bool { return g.Name != "" && g.Rev > 0 }

// Graphs keeps definitions of job graphs on the server: [Client.Graphs]. Of errors,
// repeats and concurrent use holds what [Client] says.
type Graphs struct{ c *Client }

// Save keeps a definition, anything that is a graph's file as JSON with a name, as the
// next revision of its name. One that is the latest already is not kept again: then made
// is false, and the latest is returned. It may be repeated.
func (g Graphs) Save(ctx context.Context, definition any) (saved *GraphRevision, made bool, err error) {
	var out GraphRevision
	status, _, err := g.c.do(ctx, request{method: http.MethodPost, path: "/v1/graphs", body: definition, again: true}, &out)
	if err != nil {
		return nil, false, err
	}
	return &out, status == http.StatusCreated, nil
}

// Get returns a revision of a graph with its definition; rev 0 is the latest. See
// [IsNotFound].
func (g Graphs) Get(ctx context.Context, name string, rev int) (*GraphRevision, error) {
	r := request{method: http.MethodGet, path: graphPath(name)}
	if rev != 0 {
		r.query = url.Values{"rev": {strconv.Itoa(rev)}}
	}
	var out GraphRevision
	if _, _, err := g.c.do(ctx, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// List goes through the graphs by name, each with its latest revision and without the
// definition, and fetches page by page. The first error ends it.
func (g Graphs) List(ctx context.Context) iter.Seq2[GraphRevision, error] {
	return pages[GraphRevision](ctx, g.c, "/v1/graphs", url.Values{}, 0)
}

// Delete forgets a graph with all its revisions.
func (g Graphs) Delete(ctx context.Context, name string) error {
	_, _, err := g.c.do(ctx, request{method: http.MethodDelete, path: graphPath(name)}, nil)
	return err
}

func graphPath(name string) string { return "/v1/graphs/" + url.PathEscape(name) }
