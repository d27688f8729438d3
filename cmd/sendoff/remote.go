package main

import (
	"errors"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// remote are the flags of every client command.
type remote struct{ term.Remote }

func (r *remote) client() (*sendoff.Client, error) { return r.Connect("sendoff-cli/" + version) }

// eachOf does the same with several ids and goes on after a failure. It returns
// what it did and the errors, each with its id when there are several.
func eachOf[T any](ids []string, do func(id string) (T, error)) ([]T, error) {
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
			errs = append(errs, errors.New(about(id, term.Explain(err))))
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

// list is how every listing is printed as JSON: as the API does.
type list[T any] struct {
	Items []T `json:"items"`
}

func listOf[T any](items []T) list[T] {
	if items == nil {
		items = []T{}
	}
	return list[T]{items}
}
