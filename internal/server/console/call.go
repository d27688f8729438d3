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

// ask is a question to the API.
type ask struct {
	method, path string
	query        url.Values
	body         any    // sent as JSON; nil = nothing
	reason       string // for the audit; "" = none
	also         int    // a status whose answer is as that of success; 0 = none
	key          string // that names a request to submit; "" = none
}

// get asks the API as whoever is in ctx.
func (d *door) get(ctx context.Context, path string, query url.Values, out any) error {
	return d.call(ctx, ask{method: http.MethodGet, path: path, query: query}, out)
}

// post has the API do something. reason is for the audit; "" = none.
func (d *door) post(ctx context.Context, path string, body any, reason string, out any) error {
	return d.call(ctx, ask{method: http.MethodPost, path: path, body: body, reason: reason}, out)
}

// request is a question as it is sent.
func (a *ask) request(ctx context.Context) (*http.Request, error) {
	var sent bytes.Buffer
	if a.body != nil {
		enc := json.NewEncoder(&sent)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(a.body); err != nil {
			return nil, fmt.Errorf("encode the question: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, a.method, "http://console"+a.path, &sent)
	if err != nil {
		return nil, problem.New(http.StatusNotFound, "not_found", "there is no such page: "+err.Error())
	}
	req.URL.RawQuery = a.query.Encode()
	for name, value := range map[string]string{"Sendoff-Reason": a.reason, "Idempotency-Key": a.key} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if a.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// call asks the API, and reads what it answers into out; nil = nobody wants to know.
func (d *door) call(ctx context.Context, a ask, out any) error {
	req, err := a.request(ctx)
	if err != nil {
		return err
	}
	res, err := d.api.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	failed := res.StatusCode >= http.StatusMultipleChoices
	if res.StatusCode == a.also && res.Header.Get("Content-Type") == "application/json" {
		failed = false
	}
	switch {
	case failed:
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
	_ = d.write(w, r, p.Status, pages.Problem(d.frame(r, p.Title), p))
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
		_ = d.write(w, r, p.Status, pages.Login(d.frame(r, "Sign in"), pages.SignOn{Next: nextOf(r)}))
		return true
	}
	d.fail(w, r, p)
	return true
}
