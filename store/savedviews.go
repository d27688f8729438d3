package store

import "context"

// SavedViews keeps what people look at often: by their names, pages and what they select.
type SavedViews interface {
	// PutSavedView keeps a view, in place of one of its name, and returns it as it is kept;
	// made tells that there was none. Its times are the store's to set.
	PutSavedView(ctx context.Context, v SavedView) (put SavedView, made bool, err error)

	// ListSavedViews lists the views of a namespace, by name.
	ListSavedViews(ctx context.Context, namespace int32) ([]SavedView, error)

	// DeleteSavedView forgets a view. ErrNotFound.
	DeleteSavedView(ctx context.Context, namespace int32, name string) error
}

// SavedView is a page with what it selects.
type SavedView struct {
	Namespace int32
	Name      string
	Path      string
	Query     string
	CreatedAt int64 // microseconds
	UpdatedAt int64
}
