package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphs"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// pack is called by ship: parts of a shipment.
var pack = sendoff.Func("pack", func(_ context.Context, part string) (string, error) {
	if part == "glass" {
		return "", sendoff.Permanent(errors.New("it is broken"))
	}
	return part + " in a box", nil
})

var ship = sendoff.Func("ship", func(ctx context.Context, order int) (string, error) {
	if _, err := sendoff.Step(ctx, "reserve", func(context.Context) (int, error) { return order, nil }); err != nil {
		return "", err
	}
	_, err := pack.Gather(ctx, []string{"a table with long legs", "chairs", "glass"})
	return "sent", err
})

// serve runs an engine with functions and graphs of jobs.
func serve(t *testing.T) (*engine.Engine, *graphs.Service) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	e, err := engine.New(db, engine.Config{AllowLoopback: true, Version: "test", SecretFile: filepath.Join(t.TempDir(), "secret")})
	require.NoError(t, err)
	endpoint, err := sendoff.NewEndpoint(sendoff.EndpointConfig{Engine: e}, pack, ship)
	require.NoError(t, err)
	runs, err := graphs.New(e, graphs.Config{Commands: []string{"true", "false"}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- e.Run(ctx) }()
	t.Cleanup(func() {
		endpoint.Close()
		runs.Close()
		stop()
		require.NoError(t, <-over)
		require.NoError(t, db.Close())
	})
	require.Eventually(t, func() bool { return e.Ready(t.Context()) == nil }, time.Minute, 5*time.Millisecond)
	return e, runs
}

// refuses is an app that says what is wrong, until it is mended.
func refuses(t *testing.T, mended *sync.Map) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if _, ok := mended.Load("it"); !ok {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"error":"the card is <b>no</b> card"}`)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// shipped is a function that has ended, with calls.
func (b *browser) shipped(t *testing.T) string {
	t.Helper()
	r, err := b.Submit(t.Context(), engine.Task{Function: "ship", Endpoint: "embedded://app", Payload: 7})
	require.NoError(t, err)
	_, err = b.Tasks().Wait(t.Context(), r.ID, time.Minute)
	require.NoError(t, err)
	return r.ID
}

// graph is a run of a graph that has ended.
func (b *browser) graph(t *testing.T) string {
	t.Helper()
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: b.url})
	require.NoError(t, err)
	run, err := c.GraphRuns.Start(t.Context(), sendoff.NewGraphRun{Graph: "site", Tries: 1, RetryDelay: new(time.Duration), Definition: json.RawMessage(`{"goal":"site","jobs":{
		"network":{"check":{"command":["true"]}},"disk with a long name":{"deps":["network"],"run":{"command":["true"]}},"database":{"deps":["network","disk with a long name"],"run":{"command":["true"]}},
		"cache":{"deps":["network"],"run":{"command":["false"]}},"app":{"deps":["database","cache"]},"site":{"deps":["app","disk with a long name"]}}}`)})
	require.NoError(t, err)
	_, err = c.GraphRuns.Wait(t.Context(), run.ID)
	require.NoError(t, err)
	return run.ID
}

// world is a server on which every page has something to show.
type world struct {
	*browser
	app                               string // that refuses what it is pushed
	failed, waiting, changeable, call string // tasks
	graphRun, group, action           string
}

// asked is what the API answers.
func (b *browser) asked(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 300, "%s %s: %s", method, path, text)
	answer := map[string]any{}
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &answer))
	}
	return answer
}

// peopled fills a server.
func peopled(t *testing.T, b *browser) *world {
	w := &world{browser: b, app: refuses(t, &sync.Map{})}
	for i := range 30 {
		made := b.asked(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"name":"charge_the_card_of_a_customer_%d","queue":"billing","payload":{"order":%d},"labels":{"customer":"7"},"limits":[{"key":"cards","concurrency":5}]}`,
			w.app+"/charges/"+strings.Repeat("long", 20), i, i))
		w.failed = made["id"].(string)
	}
	w.changeable = b.asked(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"name":"remind","queue":"mail","delay":"1h","priority":3,"headers":{"X-Mine":"yes"}}`, w.app))["id"].(string)
	b.asked(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"queue":"night","delay":"2h"}`, w.app))
	b.asked(t, "POST", "/v1/queues/night/pause", "")
	w.waiting = b.asked(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"name":"report","queue":"night"}`, w.app))["id"].(string)
	b.asked(t, "PUT", "/v1/limits/cards", `{"concurrency":5,"rate":"100/s"}`)
	b.asked(t, "PUT", "/v1/schedules/nightly", fmt.Sprintf(`{"cron":"0 2 * * *","timezone":"Europe/Berlin","task":{"url":%q,"name":"report"}}`, w.app))
	b.asked(t, "PUT", "/v1/views/failing%20now", `{"path":"/tasks","query":"state=failed"}`)
	b.asked(t, "GET", "/v1/tasks/"+w.failed+"?wait=30s", "")
	w.call, w.graphRun = b.shipped(t), b.graph(t)
	require.Eventually(t, func() bool {
		groups := b.asked(t, "GET", "/v1/failures", "")["items"].([]any)
		if len(groups) > 0 {
			w.group = groups[0].(map[string]any)["id"].(string)
		}
		return w.group != ""
	}, time.Minute, 50*time.Millisecond)
	w.action = b.asked(t, "POST", "/v1/tasks/bulk", `{"action":"run","filter":{"name":["none"]},"reason":"to have one"}`)["id"].(string)
	return w
}
