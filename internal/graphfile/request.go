package graphfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/sendoff-dev/sendoff/jobgraph"
)

// client follows no redirect: the status is that of the first answer.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// request sends the request and judges the status of what is answered.
func (c *call) request(ctx context.Context) (answer []byte, err error) {
	req, err := c.newRequest(ctx)
	if err != nil {
		return nil, err
	}
	web := c.host.Client
	if web == nil {
		web = client
	}
	res, err := web.Do(req)
	if err != nil {
		return nil, c.unreachable(req, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	fmt.Fprintf(c.log, "%s %s: %s\n", req.Method, req.URL.Redacted(), res.Status)
	if err != nil {
		return nil, c.unreachable(req, err)
	}
	if len(body) > 0 {
		fmt.Fprintf(c.log, "%s\n", bytes.TrimRight(body[:min(len(body), maxLine)], "\n"))
	}
	return answerIn(body), c.judge(req, res)
}

func (c *call) newRequest(ctx context.Context) (*http.Request, error) {
	q := c.Request
	target, err := q.URL.String(c.value)
	if err != nil {
		return nil, err
	}
	method := q.Method
	if method == "" {
		method = http.MethodPost
		if c.doc.Call == jobgraph.CallCheck || c.doc.Call == jobgraph.CallRecheck {
			method = http.MethodGet
		}
	}
	body, kind, err := c.body(method)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, &CallError{Kind: "BadURL", Text: err.Error()}
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for _, h := range q.Headers {
		value, err := h.Value.String(c.value)
		if err != nil {
			return nil, err
		}
		req.Header.Set(h.Name, value)
		if strings.EqualFold(h.Name, "Host") {
			req.Host = value
		}
	}
	return req, nil
}

// body is what is sent, with its type.
func (c *call) body(method string) (body io.Reader, kind string, err error) {
	q := c.Request
	if q.Body != nil {
		text, err := q.Body.String(c.value)
		return strings.NewReader(text), "", err
	}
	var value any = c.doc
	if q.JSON != nil {
		if value, err = q.JSON.value(c.value); err != nil {
			return nil, "", err
		}
	} else if method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch {
		return http.NoBody, "", nil
	}
	b, err := json.Marshal(value)
	return bytes.NewReader(b), "application/json", err
}

// unreachable says why there was no answer.
func (c *call) unreachable(req *http.Request, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	failure := &CallError{Kind: "NoAnswer", Text: fmt.Sprintf("%s %s: %v", req.Method, req.URL.Redacted(), err)}
	if c.Request.Blind && c.doc.Call == jobgraph.CallCheck {
		return jobgraph.CannotTell(failure)
	}
	return failure
}

// judge compares the status with those that are wanted.
func (c *call) judge(req *http.Request, res *http.Response) error {
	q := c.Request
	if within(q.Status, res.StatusCode) {
		return nil
	}
	wanted := make([]string, len(q.Status))
	for i, s := range q.Status {
		wanted[i] = s.String()
	}
	failure := &CallError{Kind: "HTTPStatus", Text: fmt.Sprintf("%s %s: %s, want %s", req.Method, req.URL.Redacted(), res.Status, strings.Join(wanted, " or "))}
	if c.doc.Call == jobgraph.CallCheck {
		switch {
		case within(q.CannotTell, res.StatusCode):
			return jobgraph.CannotTell(failure)
		case within(q.Skip, res.StatusCode):
			return jobgraph.Skip(failure.Text)
		}
	}
	return failure
}

// answerIn is a body that is an [Answer] and nothing else; nil = it is not.
func answerIn(body []byte) []byte {
	var keys map[string]json.RawMessage
	if json.Unmarshal(body, &keys) != nil {
		return nil
	}
	for key := range keys {
		if key != "local" && key != "shared" && key != "result" {
			return nil
		}
	}
	return body
}
