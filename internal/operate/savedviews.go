package operate

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// The bounds of views.
const (
	MaxViews     = 500  // of a namespace
	maxViewName  = 200  // bytes
	maxViewPath  = 500  // bytes
	maxViewQuery = 2048 // bytes
)

// SavedViews keeps what people look at often. Safe for concurrent use.
type SavedViews struct{ store store.SavedViews }

// NewSavedViews returns SavedViews.
func NewSavedViews(s store.SavedViews) *SavedViews { return &SavedViews{s} }

// List lists the views of the namespace of whoever asks, by name.
func (vs *SavedViews) List(ctx context.Context) ([]store.SavedView, error) {
	return vs.store.ListSavedViews(ctx, space(ctx))
}

// Set keeps a view, in place of one of its name; made tells that there was none. The page
// and the query are those of an address in the console; whether the query selects anything
// is not looked at. task.Invalid.
func (vs *SavedViews) Set(ctx context.Context, name, page, query string) (v store.SavedView, made bool, err error) {
	var bad task.Invalid
	bad.CheckName("name", name, maxViewName)
	checkPage(&bad, page)
	bad.CheckText("query", query, maxViewQuery)
	if _, err := url.ParseQuery(query); err != nil || strings.HasPrefix(query, "?") {
		bad.Add("query", `is %q: want what stands behind the ? of an address, such as "state=failed&queue=mail"`, query)
	}
	if err := bad.Err(); err != nil {
		return v, false, err
	}
	all, err := vs.List(ctx)
	if err != nil {
		return v, false, err
	}
	becomes := store.SavedView{Namespace: space(ctx), Name: name, Path: page, Query: query}
	at := slices.IndexFunc(all, func(v store.SavedView) bool { return v.Name == name })
	switch {
	case at >= 0:
		tellChange(ctx, factsOfView(&all[at]), factsOfView(&becomes))
	case len(all) < MaxViews:
		tellChange(ctx, nil, factsOfView(&becomes))
	default:
		bad.Add("name", "is new, and there are %d views already: delete one that nobody needs", len(all))
		return v, false, bad
	}
	return vs.store.PutSavedView(ctx, becomes)
}

// checkPage notes what is wrong with the path of a page: it must lead nowhere else.
func checkPage(bad *task.Invalid, page string) {
	bad.CheckText("path", page, maxViewPath)
	u, err := url.Parse(page)
	if err != nil || !strings.HasPrefix(page, "/") || path.Clean(page) != page || u.Host != "" || strings.ContainsAny(page, `\?#`) {
		bad.Add("path", `is %q: want that of a page, such as "/tasks"`, page)
	}
}

// Delete forgets a view. store.ErrNotFound.
func (vs *SavedViews) Delete(ctx context.Context, name string) error {
	if all, err := vs.List(ctx); err == nil {
		for i := range all {
			if all[i].Name == name {
				tellChange(ctx, factsOfView(&all[i]), nil)
			}
		}
	}
	err := vs.store.DeleteSavedView(ctx, space(ctx), name)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("view %q: %w", name, store.ErrNotFound)
	}
	return err
}
