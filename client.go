package sendoff

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
)

// DefaultURL is where a Sendoff server listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:4450"

// maxWait is the longest wait asked for in one request; longer ones are several.
const maxWait = 30 * time.Second

// Client talks to a Sendoff server. It is safe for concurrent use and needs no
// closing.
//
//	c, err := sendoff.NewClient("")
//	t, err := c.Submit(ctx, sendoff.NewTask{URL: "http://127.0.0.1:9000/hook", Payload: map[string]string{"hello": "world"}})
//	t, err = c.Wait(ctx, t.ID)
//
// Every method returns a [*Problem] for what the server refused, the context's
// error when that ended, and otherwise the error of the connection. Requests
// that may be repeated are: those that read, those that lead to the same end
// when done twice, and [Client.Submit], which sends an Idempotency-Key. They
// are tried again after an error of the connection, and after a 429 or 503 with
// Retry-After.
type Client struct {
	base    string
	key     string
	http    *http.Client
	retries int
	agent   string

	extension func() sendoffv1connect.FunctionExtensionClient // made when it is needed first
}

// ClientOption changes a rare setting of a Client.
type ClientOption func(*Client)

// WithAPIKey sends the key as a bearer token. Default: SENDOFF_API_KEY.
func WithAPIKey(key string) ClientOption { return func(c *Client) { c.key = key } }

// WithHTTPClient sends the requests through h. Its Timeout must be longer than
// 30 s, the time that [Client.Wait] waits in one request.
func WithHTTPClient(h *http.Client) ClientOption { return func(c *Client) { c.http = h } }

// WithRetries sets how often a request that may be repeated is tried again;
// default 4, 0 = never.
func WithRetries(n int) ClientOption { return func(c *Client) { c.retries = n } }

// WithUserAgent sets the User-Agent; default "sendoff-go".
func WithUserAgent(agent string) ClientOption { return func(c *Client) { c.agent = agent } }

// NewClient returns a client of the server at the URL; "" means SENDOFF_URL, and
// [DefaultURL] when that is not set. It connects to nothing. The error says
// what is wrong with the URL.
func NewClient(server string, opts ...ClientOption) (*Client, error) {
	server = cmp.Or(server, os.Getenv("SENDOFF_URL"), DefaultURL)
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("server URL %q: want something like %s", server, DefaultURL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server URL %q: want only scheme, host, port and path", u.Redacted())
	}
	c := &Client{base: strings.TrimSuffix(server, "/"), key: os.Getenv("SENDOFF_API_KEY"), retries: 4, agent: "sendoff-go"}
	for _, o := range opts {
		o(c)
	}
	if c.http == nil {
		c.http = &http.Client{Transport: newTransport()}
	}
	c.extension = sync.OnceValue(c.newExtension)
	return c, nil
}

// newTransport keeps more connections than net/http does, for callers that
// submit from many goroutines.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	return t
}

// URL is the server's, without a slash at the end.
func (c *Client) URL() string { return c.base }

// Submit hands a task over: it is on the server's disk when Submit returns. It
// sends t.IdempotencyKey, or one of its own, so that a request whose answer was
// lost is repeated without making a second task. When t.Unique says so, the
// task that holds the key already is returned, with Existing set.
func (c *Client) Submit(ctx context.Context, t NewTask) (*Task, error) {
	key := cmp.Or(t.IdempotencyKey, newKey())
	var out Task
	status, header, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/tasks", body: t, key: key, again: true}, &out)
	if err != nil {
		return nil, err
	}
	out.Replayed = header.Get("Idempotent-Replayed") == "true"
	out.Existing = status == http.StatusOK && !out.Replayed
	return &out, nil
}

func newKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "go-" + hex.EncodeToString(b[:])
}

// SubmitBatch hands up to 1,000 tasks over in one transaction and returns one
// result for each, in order. When atomic is set, either all are accepted or
// none: then the items say which was refused. The request carries an
// Idempotency-Key of its own, so it is repeated when its answer was lost. That
// of a task is for [Client.Submit], and an error here.
func (c *Client) SubmitBatch(ctx context.Context, tasks []NewTask, atomic bool) ([]BatchItem, error) {
	for i := range tasks {
		if tasks[i].IdempotencyKey != "" {
			return nil, fmt.Errorf("tasks[%d]: IdempotencyKey names a request with one task: submit it alone, or leave it out", i)
		}
	}
	body := struct {
		Tasks  []NewTask `json:"tasks"`
		Atomic bool      `json:"atomic,omitempty"`
	}{tasks, atomic}
	var out items[BatchItem]
	_, _, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/tasks/batch", body: body, key: newKey(), again: true}, &out)
	return out.Items, err
}

// Get returns a task with its payload, by its id, or by the id its client chose.
// See [IsNotFound].
func (c *Client) Get(ctx context.Context, id string) (*Task, error) { return c.get(ctx, id, 0) }

func (c *Client) get(ctx context.Context, id string, wait time.Duration) (*Task, error) {
	r := request{method: http.MethodGet, path: taskPath(id, ""), wait: wait}
	if wait > 0 {
		r.query = url.Values{"wait": {wait.String()}}
	}
	var out Task
	if _, _, err := c.do(ctx, r, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Wait returns the task when it has ended: succeeded, failed or canceled. When
// ctx ends first, its error is returned, with the task as it was last seen, nil
// when it was not.
func (c *Client) Wait(ctx context.Context, id string) (*Task, error) {
	var last *Task
	for {
		wait := maxWait
		if at, ok := ctx.Deadline(); ok {
			wait = min(wait, max(time.Until(at)-50*time.Millisecond, time.Millisecond))
		}
		t, err := c.get(ctx, id, wait)
		if err != nil {
			return last, err
		}
		if last = t; t.Final() {
			return t, nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return t, err
		}
	}
}

// List goes through the tasks that a filter selects, newest first, and fetches
// page by page. The first error ends it.
func (c *Client) List(ctx context.Context, f Filter) iter.Seq2[*Task, error] {
	return func(yield func(*Task, error) bool) {
		q, left := f.query(), f.Limit
		for {
			if f.Limit > 0 {
				q.Set("limit", strconv.Itoa(min(left, maxPage)))
			}
			var page struct {
				items[*Task]
				NextCursor string `json:"next_cursor"`
			}
			if _, _, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/tasks", query: q}, &page); err != nil {
				yield(nil, err)
				return
			}
			for _, t := range page.Items {
				if !yield(t, nil) {
					return
				}
				if left--; left == 0 {
					return
				}
			}
			if page.NextCursor == "" {
				return
			}
			q.Set("cursor", page.NextCursor)
		}
	}
}

// Attempts returns the attempts of a task that are kept, oldest first; one under
// way is the last. The first 10 and the last 90 are kept, Attempt.LeftOut tells
// how many lay between. It reads all pages; see AttemptsPage.
func (c *Client) Attempts(ctx context.Context, id string) (all []Attempt, err error) {
	for cursor := ""; ; {
		page, next, err := c.AttemptsPage(ctx, id, cursor)
		if all = append(all, page...); err != nil || next == "" {
			return all, err
		}
		cursor = next
	}
}

// AttemptsPage returns a part of what Attempts returns: some megabytes at most,
// unless a single answer is larger. It begins at a cursor, "" = with the oldest,
// and next is the cursor of the page that follows, "" = there is none.
func (c *Client) AttemptsPage(ctx context.Context, id, cursor string) (page []Attempt, next string, err error) {
	var out struct {
		items[Attempt]
		NextCursor string `json:"next_cursor"`
	}
	_, _, err = c.do(ctx, request{method: http.MethodGet, path: taskPath(id, "/attempts?cursor="+url.QueryEscape(cursor))}, &out)
	return out.Items, out.NextCursor, err
}

// Cancel ends a task and stops its attempt. A function with a [Saga] that has something
// to undo does that first, and has at most 5 minutes for it: until then the reason of
// its state is "canceling". Cancel may be repeated; a task that has ended otherwise
// stays as it is, see [IsConflict].
func (c *Client) Cancel(ctx context.Context, id string) (*Task, error) {
	return c.act(ctx, id, "cancel", true)
}

// CancelNow is Cancel for a function that is to undo nothing, or nothing more.
func (c *Client) CancelNow(ctx context.Context, id string) (*Task, error) {
	return c.act(ctx, id, "cancel?now=true", true)
}

// Retry starts a new run of a task that has ended; see [IsConflict]. It is not
// repeated when its answer is lost: that would say 409 for what the first did.
func (c *Client) Retry(ctx context.Context, id string) (*Task, error) {
	return c.act(ctx, id, "retry", false)
}

// Run makes a scheduled task run now; see [IsConflict]. Like Retry it is not
// repeated.
func (c *Client) Run(ctx context.Context, id string) (*Task, error) {
	return c.act(ctx, id, "run", false)
}

func (c *Client) act(ctx context.Context, id, verb string, again bool) (*Task, error) {
	var out Task
	if _, _, err := c.do(ctx, request{method: http.MethodPost, path: taskPath(id, "/"+verb), again: again}, &out); err != nil {
		return nil, err
	}
	return &out, nil
}

// Delete erases a task that is not running, with its attempts.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, _, err := c.do(ctx, request{method: http.MethodDelete, path: taskPath(id, "")}, nil)
	return err
}

func taskPath(id, rest string) string { return "/v1/tasks/" + url.PathEscape(id) + rest }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
