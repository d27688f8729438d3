package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/server/console"
	"github.com/sendoff-dev/sendoff/internal/server/route"
)

// state is a page as somebody can find it.
type state struct{ route, path string }

// noPages are routes that answer a browser with something else than a page.
var noPages = []string{"GET /assets/{hash}/{file}", "GET /tasks.csv"}

// states are the pages of a server that has something for each, by their routes.
func (w *world) states() map[string][]string {
	return map[string][]string{
		"GET /{$}":                {"/", "/?span=24h"},
		"GET /tasks":              {"/tasks", "/tasks?state=failed&sort=-finished_at", "/tasks?name=none", "/tasks?limit=0"},
		"GET /tasks/new":          {"/tasks/new", "/tasks/new?from=" + w.failed},
		"GET /tasks/{id}":         {"/tasks/" + w.failed, "/tasks/" + w.waiting, "/tasks/" + w.call, "/tasks/" + w.call + "?view=tree", "/tasks/" + w.call + "?view=waterfall", "/tasks/" + w.call + "?view=graph", "/tasks/none"},
		"GET /tasks/{id}/compare": {"/tasks/" + w.failed + "/compare", "/tasks/" + w.waiting + "/compare", "/tasks/" + w.failed + "/compare?a=7777"},
		"GET /tasks/{id}/change":  {"/tasks/" + w.changeable + "/change"},
		"GET /go":                 {"/go?q=" + w.failed},
		"GET /functions":          {"/functions", "/functions?prefix=s"},
		"GET /graphs":             {"/graphs"},
		"GET /graph-runs/{id}":    {"/graph-runs/" + w.graphRun, "/graph-runs/none"},
		"GET /failures":           {"/failures"},
		"GET /failures/{id}":      {"/failures/" + w.group},
		"GET /queues":             {"/queues"},
		"GET /queues/{name}":      {"/queues/billing", "/queues/night?span=7d"},
		"GET /schedules":          {"/schedules"},
		"GET /schedules/{name}":   {"/schedules/nightly"},
		"GET /limits":             {"/limits"},
		"GET /nodes":              {"/nodes"},
		"GET /endpoints":          {"/endpoints"},
		"GET /actions":            {"/actions"},
		"GET /actions/{id}":       {"/actions/" + w.action},
		"GET /actions/new":        {"/actions/new?action=retry&state=failed", "/actions/new?action=move&state=failed", "/actions/new?action=delete&state=failed", "/actions/new?action=wrong"},
		"GET /audit":              {"/audit", "/audit?action=pause-queue"},
		"GET /keys":               {"/keys"},
		"GET /health":             {"/health"},
		"GET /settings":           {"/settings"},
		"GET /help":               {"/help"},
		"GET /login":              {"/login"},
	}
}

// routes are those of the console.
func routes() (patterns []string) {
	mux := route.NewMux(route.Config{})
	console.Mount(mux, console.Config{})
	for _, pattern := range mux.Patterns() {
		if strings.HasPrefix(pattern, "GET ") && !slices.Contains(noPages, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// pages are all states of all routes: each has one, and no other has.
func (w *world) pages(t *testing.T) (all []state) {
	t.Helper()
	states := w.states()
	for _, pattern := range routes() {
		require.NotEmpty(t, states[pattern], "%s has no state here: what does a page of it look like?", pattern)
		for _, path := range states[pattern] {
			all = append(all, state{pattern, path})
		}
		delete(states, pattern)
	}
	require.Empty(t, states, "there is no such page")
	return all
}

var wildcard = regexp.MustCompile(`\{\w+\}`)

// empty are the pages of a server that has nothing to show.
func empty() (all []state) {
	for _, pattern := range routes() {
		if !wildcard.MatchString(pattern) && pattern != "GET /actions/new" {
			all = append(all, state{pattern, strings.TrimSuffix(strings.TrimPrefix(pattern, "GET "), "{$}")})
		}
	}
	return all
}

// TestPagesFitANarrowScreen: nothing has to be scrolled sideways at 320 pixels; and no page
// does what its policy refuses. With SENDOFF_SHOTS=DIR, pictures of all pages are left there.
func TestPagesFitANarrowScreen(t *testing.T) {
	b := browse(t)
	w := peopled(t, b)
	for i, at := range w.pages(t) {
		b.look(t, i, at.path)
	}
	for _, p := range b.problems {
		require.Contains(t, p, "the server responded with a status of 4", "of pages that say what is wrong")
	}
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
