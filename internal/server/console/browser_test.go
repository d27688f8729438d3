package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphs"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// browser is a real one, which looks at a real server.
type browser struct {
	ctx context.Context //nolint:containedctx // of the tab, as chromedp has it
	url string
	*engine.Engine

	mu       sync.Mutex
	problems []string // that the browser has told of: errors of scripts, what the policy refused
}

// base is what all pages are below: no link and no key may lead out of it.
const base = "/ops"

// browse starts a server and a browser. It skips where none is installed.
func browse(t *testing.T) *browser {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no browser: apt-get install chromium")
	}
	b := &browser{}
	var runs *graphs.Service
	b.Engine, runs = serve(t)
	srv := httptest.NewServer(b.Handler(engine.HandlerConfig{GraphRuns: runs, BasePath: base}))
	t.Cleanup(srv.Close)
	b.url = srv.URL + base
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	started, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(started)
	t.Cleanup(closeTab)
	b.ctx = tab
	require.NoError(t, chromedp.Do(tab))
	require.NoError(t, chromedp.Listen(tab, b.heard))
	_, err := chromedp.Call(tab, log.Enable, struct{}{})
	require.NoError(t, err)
	return b
}

// heard keeps what the browser complains of.
func (b *browser) heard(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" {
			b.problems = append(b.problems, e.Entry.Text)
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	}
}

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
	e, err := engine.New(db, engine.Config{AllowLoopback: true, Version: "test"})
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

func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

func value[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(t, err)
	return v
}

// sees waits until a page shows a text.
func (b *browser) sees(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(value[string](t, b, "document.body?.innerText ?? ''"), text) }, 20*time.Second, 50*time.Millisecond, text)
}

// at waits until a page is shown.
func (b *browser) at(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { return value[string](t, b, "location.pathname") == base+path }, 20*time.Second, 20*time.Millisecond, path)
	require.Eventually(t, func() bool { return value[string](t, b, "document.readyState") == "complete" }, 20*time.Second, 20*time.Millisecond)
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

// TestAFailureIsFoundAndRetriedByKeyboard is the tour of somebody who has read nothing:
// which tasks failed, why, what the app answered; and all of them again. The list came to
// know of them while it was looked at.
func TestAFailureIsFoundAndRetriedByKeyboard(t *testing.T) {
	b := browse(t)
	var mended sync.Map
	url := refuses(t, &mended)
	b.do(t, chromedp.Navigate(b.url+"/tasks?state=failed"))
	b.sees(t, "No task is selected")
	value[int](t, b, "window.kept = 1")
	for i := range 3 {
		_, err := b.Submit(t.Context(), engine.Task{URL: url, Name: "charge", Queue: "billing", Payload: i})
		require.NoError(t, err)
	}
	b.sees(t, "charge")
	require.Equal(t, 1, value[int](t, b, "window.kept"), "the page was not loaded anew")
	b.press(t, "/")
	require.Equal(t, "filter", value[string](t, b, "document.activeElement.id"))
	b.do(t, chromedp.KeyEvent("\t"))

	b.press(t, "j")
	b.do(t, chromedp.KeyEvent("\r"))
	b.sees(t, "the card is <b>no</b> card")
	b.sees(t, "422")
	mended.Store("it", true)
	b.do(t, chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("a.button")].find(a => a.textContent.startsWith("Retry all")).focus()`), chromedp.KeyEvent("\r"))
	b.at(t, "/actions/new")
	b.sees(t, "3 tasks would be changed")
	b.do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("button.main").focus()`), chromedp.KeyEvent("\r"))
	b.sees(t, "3 done")
	b.press(t, "g")
	b.press(t, "o")
	b.at(t, "/")
	b.sees(t, "Nothing has failed")
	require.Empty(t, b.problems)
}

func (b *browser) press(t *testing.T, key string) {
	t.Helper()
	b.do(t, chromedp.KeyEvent(key))
}

// paths are pages with something on them.
func paths(id string) []string {
	return []string{
		"/", "/tasks", "/tasks?state=failed", "/tasks?name=none", "/tasks/" + id, "/queues", "/queues/billing", "/schedules", "/limits", "/nodes", "/endpoints", "/actions",
		"/actions/new?action=retry&state=failed", "/audit", "/help", "/login", "/failures",
		"/tasks/new", "/tasks/new?from=" + id, "/graphs", "/functions", "/keys", "/settings", "/health",
	}
}

// TestPagesFitANarrowScreen: nothing has to be scrolled sideways at 320 pixels; and no page
// does what its policy refuses. With SENDOFF_SHOTS=DIR, pictures of all pages are left there.
func TestPagesFitANarrowScreen(t *testing.T) {
	b := browse(t)
	url := refuses(t, &sync.Map{})
	var id string
	for i := range 30 {
		r, err := b.Submit(t.Context(), engine.Task{URL: url + "/charges/" + strings.Repeat("long", 20), Name: fmt.Sprintf("charge_the_card_of_a_customer_%d", i), Queue: "billing", Payload: i})
		require.NoError(t, err)
		id = r.ID
	}
	_, err := b.Tasks().Wait(t.Context(), id, time.Minute)
	require.NoError(t, err)
	call := b.shipped(t)
	all := append(paths(id), "/failures/"+b.group(t), b.graph(t), "/tasks/"+call, "/tasks/"+call+"?view=tree", "/tasks/"+call+"?view=waterfall", "/tasks/"+call+"?view=graph")
	for i, path := range all {
		b.look(t, i, path)
	}
	require.Empty(t, b.problems)
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

// graph is the path of a run of a graph that has ended.
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
	return "/graph-runs/" + run.ID
}

// group is one of the groups of failures, as soon as there is one.
func (b *browser) group(t *testing.T) (id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		b.do(t, chromedp.Navigate(b.url+"/failures"))
		id = value[string](t, b, `document.querySelector("tr[id^=f-]")?.id.slice(2) ?? ""`)
		return id != ""
	}, 20*time.Second, 50*time.Millisecond)
	return id
}

// look shows a page on a narrow screen, and takes pictures of it if somebody wants them.
func (b *browser) look(t *testing.T, i int, path string) {
	t.Helper()
	b.do(t, chromedp.EmulateViewport(320, 800), chromedp.Navigate(b.url+path))
	require.LessOrEqual(t, value[int](t, b, "document.documentElement.scrollWidth"), 320, path)
	require.True(t, value[bool](t, b, `document.documentElement.classList.contains("scripted")`), path)
	shots := os.Getenv("SENDOFF_SHOTS")
	if shots == "" {
		return
	}
	for _, theme := range []string{"light", "dark"} {
		for width, of := range map[int64]string{320: "narrow", 1280: "wide"} {
			b.do(t, chromedp.EmulateViewport(width, 1400), chromedp.Evaluate[chromedp.Void](fmt.Sprintf("document.documentElement.dataset.theme = %q", theme)))
			picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			require.NoError(t, err)
			name := fmt.Sprintf("%02d-%s-%s.png", i, of, theme)
			require.NoError(t, os.WriteFile(filepath.Join(shots, name), picture, 0o600))
		}
	}
}
