package term

import (
	"errors"
	"iter"
	"strings"
)

// List is how every listing is printed as JSON: as the API does.
type List[T any] struct {
	Items []T `json:"items"`
}

// ListOf makes a List, whose items are never null.
func ListOf[T any](items []T) List[T] {
	if items == nil {
		items = []T{}
	}
	return List[T]{items}
}

// Collect goes through a listing, up to limit items; 0 = all. The first error ends it.
func Collect[T any](all iter.Seq2[T, error], limit int) (items []T, err error) {
	for item, err := range all {
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == limit {
			break
		}
	}
	return items, nil
}

// EachOf does the same with several ids and goes on after a failure. It returns
// what it did and the errors, each with its id when there are several.
func EachOf[T any](ids []string, do func(id string) (T, error)) ([]T, error) {
	var done []T
	var errs []error
	for _, id := range ids {
		v, err := do(id)
		switch {
		case err == nil:
			done = append(done, v)
		case len(ids) == 1:
			return nil, err
		default:
			errs = append(errs, errors.New(about(id, Explain(err))))
		}
	}
	return done, errors.Join(errs...)
}

// about puts an id before a text that does not name it.
func about(id, text string) string {
	if strings.Contains(text, id) {
		return text
	}
	return id + ": " + text
}
