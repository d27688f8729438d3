package store

import "context"

// Graphs keeps the definitions of job graphs by their names, in a form that the store
// does not know. What is kept of a name are its revisions: a definition never changes.
type Graphs interface {
	// PutGraph keeps a definition, of 1 byte to 1 MiB, as the next revision of a name, and
	// returns that without the definition. One that is the latest already is not kept again:
	// then made is false, and the latest is returned. Revisions count from 1, without gaps.
	PutGraph(ctx context.Context, namespace int32, name string, definition []byte) (g Graph, made bool, err error)

	// Graph returns a revision of a name; rev 0 is the latest. ErrNotFound.
	Graph(ctx context.Context, namespace int32, name string, rev int32) (Graph, error)

	// ListGraphs lists the latest revision of each name behind after, by name, without the
	// definitions, and limit of them at most.
	ListGraphs(ctx context.Context, namespace int32, after string, limit int) ([]Graph, error)

	// DeleteGraph forgets all revisions of a name; the next that is put under it is the
	// first. ErrNotFound.
	DeleteGraph(ctx context.Context, namespace int32, name string) error
}

// Graph is a revision of the definition of a job graph.
type Graph struct {
	Name       string
	Rev        int32
	Definition []byte // nil where it was not asked for
	CreatedAt  int64  // of this revision
}
