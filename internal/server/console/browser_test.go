package console_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/graphs"
)

// browser is a real one, which looks at a real server.
type browser struct {
	ctx context.Context //nolint:containedctx // of the tab, as chromedp has it
	url string
	*engine.Engine
	runs *graphs.Service

	mu       sync.Mutex
	problems []string // that the browser has told of: errors of scripts, what the policy refused
}

// base is what all pages are below: no link and no key may lead out of it.
const base = "/ops"

// missing skips a test for want of something at a desk, and fails it in CI, where
// scripts/setup-test-deps and scripts/setup-browser have put it there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// browse starts a server and a browser that looks at it.
func browse(t *testing.T) *browser {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		missing(t, "there is no browser: apt-get install chromium")
	}
	b := &browser{}
	b.Engine, b.runs = serve(t)
	srv := httptest.NewServer(b.Handler(engine.HandlerConfig{GraphRuns: b.runs, BasePath: base}))
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
	call(t, b, log.Enable, struct{}{})
	return b
}

// call has the browser itself do something.
func call[P, R any](t *testing.T, b *browser, cmd cdp.Command[P, R], params P) {
	t.Helper()
	_, err := chromedp.Call(b.ctx, cmd, params)
	require.NoError(t, err)
}

// still has pages stay as they came.
func (b *browser) still(t *testing.T) {
	t.Helper()
	call(t, b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `sessionStorage.setItem("live", "off")`})
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

// waits is how long a test waits for what is to come, and pollEvery how often it looks.
const (
	waits     = 20 * time.Second
	pollEvery = 50 * time.Millisecond
)

// quoted is a text in a script.
func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
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
	require.Eventually(t, func() bool { return strings.Contains(value[string](t, b, "document.body?.innerText ?? ''"), text) }, waits, pollEvery, text)
}

// at waits until a page is shown.
func (b *browser) at(t *testing.T, path string) {
	t.Helper()
	require.Eventually(t, func() bool { return value[string](t, b, "location.pathname") == base+path }, waits, pollEvery, path)
	require.Eventually(t, func() bool { return value[string](t, b, "document.readyState") == "complete" }, waits, pollEvery)
}

// press has a key pressed, or several one after the other.
func (b *browser) press(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		b.do(t, chromedp.KeyEvent(key))
	}
}

// show leads the browser to a page.
func (b *browser) show(t *testing.T, path string) {
	t.Helper()
	b.do(t, chromedp.Navigate(b.url+path))
}
