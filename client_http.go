package sendoff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// request is one call of the API.
type request struct {
	method string
	path   string
	query  url.Values
	body   any           // as JSON; nil = none
	key    string        // Idempotency-Key; "" = none
	again  bool          // may be repeated although it is a POST
	wait   time.Duration // that the server takes on purpose
	also   int           // a status that is an answer and no problem when its body is JSON; 0 = none
}

// The bounds of one call.
const (
	tryTimeout    = 30 * time.Second // besides request.wait
	maxRetryAfter = 30 * time.Second // a longer wish is left to the caller
	maxReply      = 64 << 20         // bytes
)

// statusStopping is what a server answers to whoever waits for a task while it
// stops: another one, or the same after its restart, knows more.
const statusStopping = 499

var errNotSendoff = errors.New("the answer is not that of a Sendoff server")

// do sends a request, again while that is safe, and decodes the answer into out.
func (c *Client) do(ctx context.Context, r request, out any) (int, http.Header, error) {
	if err := r.misled(); err != nil {
		return 0, nil, err
	}
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return 0, nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	for try := 0; ; try++ {
		status, header, err := c.try(ctx, r, body, out)
		wait, worth := r.retryable(err, try)
		if err == nil || !worth || try >= c.resends || ctx.Err() != nil {
			return status, header, err
		}
		if sleep(ctx, wait) != nil {
			return status, header, err
		}
	}
}

// misled is an error when a name in the path leads elsewhere than to what is called
// so: an empty one, "." and "..". Nothing has such a name.
func (r *request) misled() error {
	for _, name := range strings.Split(r.path, "/")[1:] {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("%q is no name: no task, queue or signal can have it", name)
		}
	}
	return nil
}

// answeredBy tells whether an answer that is none of 2xx is what was asked for.
func (r *request) answeredBy(res *http.Response) bool {
	return res.StatusCode == r.also && res.Header.Get("Content-Type") == "application/json"
}

// retryable tells whether a request that ended with err may be sent again, and
// after how long.
func (r *request) retryable(err error, try int) (time.Duration, bool) {
	backoff := resendAfter(try)
	safe := r.again || r.method != http.MethodPost
	if p, ok := errors.AsType[*Problem](err); ok {
		if p.Status == statusStopping {
			return backoff, safe
		}
		busy := p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
		return max(p.RetryAfter, backoff), safe && busy && p.RetryAfter > 0 && p.RetryAfter <= maxRetryAfter
	}
	return backoff, !errors.Is(err, errNotSendoff) && (safe || neverSent(err))
}

// resendAfter is how long to wait before a request is sent again, try = 0 for the first
// time: some 50 ms, doubling to a second.
func resendAfter(try int) time.Duration {
	wait := min(50*time.Millisecond<<min(try, 10), time.Second)
	return wait/2 + rand.N(wait)
}

// neverSent tells whether there was no connection to send the request on.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func (c *Client) try(ctx context.Context, r request, body []byte, out any) (int, http.Header, error) {
	limited, cancel := context.WithTimeout(ctx, tryTimeout+r.wait)
	defer cancel()
	req, err := c.request(limited, r, body)
	if err != nil {
		return 0, nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return res.StatusCode, res.Header, fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	if res.StatusCode >= 300 && !r.answeredBy(res) {
		return res.StatusCode, res.Header, problemOf(res, answer)
	}
	if err := read(res, answer, out); err != nil {
		return res.StatusCode, res.Header, fmt.Errorf("%w: %s: %w", errNotSendoff, c.base, err)
	}
	return res.StatusCode, res.Header, nil
}

// reply is an answer that can tell whether it is one: other servers answer with
// JSON as well.
type reply interface{ complete() bool }

// read decodes an answer without a fault; nil = none is expected. The error says
// why it is not one of a Sendoff server.
func read(res *http.Response, answer []byte, out any) error {
	if out == nil {
		if res.StatusCode != http.StatusNoContent {
			return fmt.Errorf("%s in place of 204", res.Status)
		}
		return nil
	}
	if len(answer) == 0 {
		return fmt.Errorf("%s without a body", res.Status)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return err
	}
	if r, ok := out.(reply); ok && !r.complete() {
		return fmt.Errorf("%s with JSON of something else", res.Status)
	}
	return nil
}

func (i *items[T]) complete() bool {
	return i.Items != nil && !slices.ContainsFunc(i.Items, func(item T) bool { return !isComplete(&item) })
}

// isComplete tells whether an item of a listing, or what it points to, is one.
func isComplete[T any](item *T) bool {
	r, ok := any(item).(reply)
	if !ok {
		r, ok = any(*item).(reply)
	}
	return !ok || r.complete()
}

func (t *Task) complete() bool          { return t != nil && t.ID != "" && t.State != "" }
func (a *Attempt) complete() bool       { return a != nil && a.Outcome != "" }
func (s *StepRecord) complete() bool    { return s.State != "" }
func (q *Queue) complete() bool         { return q.Name != "" }
func (s *QueueStats) complete() bool    { return s.Queue != "" }
func (n *Node) complete() bool          { return n.ID != "" }
func (e *EndpointStats) complete() bool { return e.Endpoint != "" }
func (e *resetEndpoint) complete() bool { return e.Endpoint != "" }
func (b *BatchItem) complete() bool     { return b.Status != "" }
func (p *purged) complete() bool        { return p.Purged != nil }
func (p *StepPage) complete() bool {
	return p.Items != nil && !slices.ContainsFunc(p.Items, func(s StepRecord) bool { return !s.complete() })
}

func (c *Client) request(ctx context.Context, r request, body []byte) (*http.Request, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json, application/problem+json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	if reason := reasonOf(ctx); reason != "" {
		req.Header.Set(reasonHeader, reason)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	return req, nil
}

type items[T any] struct {
	Items []T `json:"items"`
}

// duration is a time.Duration as the API writes it: "1m30s", or seconds.
type duration time.Duration

func (d duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		parsed, err := time.ParseDuration(text)
		*d = duration(parsed)
		return err
	}
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return fmt.Errorf("duration %s: want a text such as \"90s\", or seconds", b)
	}
	*d = duration(seconds * float64(time.Second))
	return nil
}
