package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/sendoff-dev/sendoff/internal/server/console/pages"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// get asks the API as whoever is in ctx.
func (d *door) get(ctx context.Context, path string, query url.Values, out any) error {
	return d.call(ctx, http.MethodGet, path, query, nil, "", out)
}

// post has the API do something. reason is for the audit; "" = none.
func (d *door) post(ctx context.Context, path string, body any, reason string, out any) error {
	return d.call(ctx, http.MethodPost, path, nil, body, reason, out)
}

func (d *door) call(ctx context.Context, method, path string, query url.Values, body any, reason string, out any) error {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode the question: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://console"+path, bytes.NewReader(sent))
	if err != nil {
		return problem.New(http.StatusNotFound, "not_found", "there is no such page: "+err.Error())
	}
	req.URL.RawQuery = query.Encode()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if reason != "" {
		req.Header.Set("Sendoff-Reason", reason)
	}
	res, err := d.api.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= http.StatusMultipleChoices:
		p := problem.New(res.StatusCode, "", "")
		if err := json.NewDecoder(res.Body).Decode(p); err != nil {
			p.Detail = "the server answered " + http.StatusText(res.StatusCode)
		}
		return p
	case out == nil || res.StatusCode == http.StatusNoContent:
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// items is a page of a listing.
type items[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor"`
}

// fail shows why there is no page.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		p = problem.New(http.StatusInternalServerError, "internal", "the page could not be made: "+err.Error())
	}
	_ = write(w, r, p.Status, pages.Problem(d.frame(r, p.Title), p))
}

// Refuse answers whoever has no key for a page, or one that may not see it, and tells
// whether it did: other requests than a browser's for a page are not its own.
func Refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem, cfg Config) bool {
	if !Owns(r.URL.Path) {
		return false
	}
	d := &door{cfg: cfg}
	headers(w.Header())
	if p.Status == http.StatusUnauthorized && cfg.Sessions != nil {
		_ = write(w, r, p.Status, pages.Login(d.frame(r, "Sign in"), pages.SignOn{Next: nextOf(r)}))
		return true
	}
	d.fail(w, r, p)
	return true
}
