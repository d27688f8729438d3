package sendoff

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
	"github.com/sendoff-dev/sendoff/internal/tlsfile"
)

// DefaultURL is where a Sendoff server listens unless told otherwise.
const DefaultURL = "http://127.0.0.1:4450"

// maxWait is the longest wait asked for in one request; longer ones are several.
const maxWait = 30 * time.Second

// Client talks to a Sendoff server. It is safe for concurrent use and needs no
// closing.
//
//	c, err := sendoff.NewClient(sendoff.ClientConfig{})
//	t, err := c.Submit(ctx, sendoff.NewTask{URL: "http://127.0.0.1:9000/hook", Payload: map[string]string{"hello": "world"}})
//	t, err = c.Wait(ctx, t.ID)
//	...
//	t, err = c.Tasks.Cancel(ctx, t.ID)
//	_, err = c.Queues.Pause(ctx, "mail")
//
// It hands tasks over and waits for them; what a person does with them is by noun.
//
// Every method returns a [*Problem] for what the server refused, the context's
// error when that ended, and otherwise the error of the connection. Requests
// that may be repeated are: those that read, those that lead to the same end
// when done twice, and [Client.Submit], which sends an Idempotency-Key. They
// are tried again after an error of the connection, and after a 429 or 503 with
// Retry-After.
type Client struct {
	Tasks     Tasks     // that are there: list, cancel, retry, ...
	Queues    Queues    // list, pause, resume, purge, ...
	Limits    Limits    // what tasks share: list, set, pause, ...
	Schedules Schedules // what is planned: list, set, pause, run, ...
	Graphs    Graphs    // definitions of job graphs: save, list, ...
	GraphRuns GraphRuns // of graphs of jobs: start, list, wait, cancel, retry
	Endpoints Endpoints // the apps that serve functions
	Nodes     Nodes     // the servers
	Workers   Workers   // their processes
	APIKeys   APIKeys   // who may come in: create, list, revoke
	Audit     Audit     // what operators did
	Actions   Actions   // what is done to many tasks at once
	Failures  Failures  // groups of tasks that failed alike: list, mute
	Views     Views     // what people look at often: list, set, delete

	Namespaces  Namespaces  // what they may use: list, set
	SigningKeys SigningKeys // what the server signs with: list, rotate

	base    string
	key     string
	http    *http.Client
	resends int
	agent   string

	extension func() sendoffv1connect.FunctionExtensionClient // made when it is needed first
}

// ClientConfig says which server it is and how it is asked. The zero value is that of
// the environment.
type ClientConfig struct {
	// URL is the server's. Default: SENDOFF_URL, and [DefaultURL] when that is not set.
	URL string
	// APIKey is sent as a bearer token. Default: SENDOFF_API_KEY.
	APIKey string
	// HTTPClient sends the requests; default one that keeps 64 connections. Its
	// Timeout must be longer than 30 s, the time that [Client.Wait] waits in one
	// request.
	HTTPClient *http.Client
	// CAFile is a PEM file of authorities that vouch for the server, besides those of this
	// machine. It is not read where there is an HTTPClient. Default: SENDOFF_CA.
	CAFile string
	// Resends is how often a request that may be repeated is sent again; default 4,
	// negative = never.
	Resends int
	// UserAgent is the User-Agent; default "sendoff-go".
	UserAgent string
}

// NewClient returns a client of a server. It connects to nothing. The error says
// what is wrong with the URL.
func NewClient(config ClientConfig) (*Client, error) {
	server := cmp.Or(config.URL, os.Getenv("SENDOFF_URL"), DefaultURL)
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("server URL %q: want something like %s", server, DefaultURL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server URL %q: want only scheme, host, port and path", u.Redacted())
	}
	c := &Client{
		base: strings.TrimSuffix(server, "/"), key: cmp.Or(config.APIKey, os.Getenv("SENDOFF_API_KEY")), http: config.HTTPClient,
		resends: max(cmp.Or(config.Resends, 4), 0), agent: cmp.Or(config.UserAgent, "sendoff-go"),
	}
	if c.http == nil {
		t, err := newTransport(cmp.Or(config.CAFile, os.Getenv("SENDOFF_CA")))
		if err != nil {
			return nil, err
		}
		c.http = &http.Client{Transport: t}
	}
	c.Tasks, c.Queues, c.Limits, c.Schedules, c.Graphs, c.GraphRuns = Tasks{c}, Queues{c}, Limits{c}, Schedules{c}, Graphs{c}, GraphRuns{c}
	c.Endpoints, c.Nodes, c.Workers = Endpoints{c}, Nodes{c}, Workers{c}
	c.APIKeys, c.Audit, c.Namespaces, c.SigningKeys, c.Actions, c.Failures, c.Views = APIKeys{c}, Audit{c}, Namespaces{c}, SigningKeys{c}, Actions{c}, Failures{c}, Views{c}
	c.extension = sync.OnceValue(c.newExtension)
	return c, nil
}

// newTransport keeps more connections than net/http does, for callers that
// submit from many goroutines.
func newTransport(caFile string) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	if caFile == "" {
		return t, nil
	}
	roots, err := tlsfile.Roots(caFile)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return t, nil
}

// URL is the server's, without a slash at the end.
func (c *Client) URL() string { return c.base }

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
		t, err := c.get(ctx, id, waitIn(ctx))
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

// waitIn is how long to wait in one request, so that its answer comes before ctx ends.
func waitIn(ctx context.Context) time.Duration {
	at, ok := ctx.Deadline()
	if !ok {
		return maxWait
	}
	return min(maxWait, max(time.Until(at)-50*time.Millisecond, time.Millisecond))
}

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
