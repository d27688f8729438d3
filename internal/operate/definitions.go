package operate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// MaxGraphName is how many bytes the name of a graph may have.
const MaxGraphName = 200

// Definitions keeps the definitions of job graphs, which it cannot read. Safe for
// concurrent use.
type Definitions struct {
	store store.Graphs
	check func(definition []byte) error
}

// NewDefinitions returns Definitions. check refuses a definition, as a task.Invalid when
// it knows the fields; nil = any is taken.
func NewDefinitions(s store.Graphs, check func(definition []byte) error) *Definitions {
	if check == nil {
		check = func([]byte) error { return nil }
	}
	return &Definitions{s, check}
}

// DefinitionPage is a part of the names, with the latest revision of each.
type DefinitionPage struct {
	Items []store.Graph // without the definitions
	Next  string        // empty at the end
}

// Save keeps a definition as the next revision of a name, unless it is the latest
// already: then made is false. task.Invalid.
func (d *Definitions) Save(ctx context.Context, name string, definition []byte) (g store.Graph, made bool, err error) {
	var bad task.Invalid
	bad.CheckName("name", name, MaxGraphName)
	if len(definition) > task.MaxPayload {
		bad.Add("jobs", "the definition has %d bytes as JSON: at most %d are allowed", len(definition), task.MaxPayload)
	}
	if err := bad.Err(); err != nil {
		return store.Graph{}, false, err
	}
	if err := d.check(definition); err != nil {
		if _, known := errors.AsType[task.Invalid](err); !known {
			bad.Add("jobs", "%v", err)
			err = bad
		}
		return store.Graph{}, false, err
	}
	return d.store.PutGraph(ctx, space(ctx), name, definition)
}

// Get returns a revision of a name; rev 0 is the latest. store.ErrNotFound.
func (d *Definitions) Get(ctx context.Context, name string, rev int32) (store.Graph, error) {
	g, err := d.store.Graph(ctx, space(ctx), name, rev)
	if errors.Is(err, store.ErrNotFound) && rev > 0 {
		return g, fmt.Errorf("graph %q, revision %d: %w", name, rev, store.ErrNotFound)
	}
	return g, unknownGraph(name, err)
}

// List lists the names, limit at most; 0 = 50. ErrBadCursor.
func (d *Definitions) List(ctx context.Context, cursor string, limit int) (DefinitionPage, error) {
	after, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return DefinitionPage{}, ErrBadCursor
	}
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, maxPage)
	page := DefinitionPage{}
	page.Items, err = d.store.ListGraphs(ctx, space(ctx), string(after), limit+1)
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		page.Next = base64.RawURLEncoding.EncodeToString([]byte(page.Items[limit-1].Name))
	}
	return page, err
}

// Delete forgets a name with all its revisions. store.ErrNotFound.
func (d *Definitions) Delete(ctx context.Context, name string) error {
	return unknownGraph(name, d.store.DeleteGraph(ctx, space(ctx), name))
}

func unknownGraph(name string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("graph %q: %w", name, store.ErrNotFound)
	}
	return err
}
