package console_test

import (
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

// unscripted is a browser that runs no scripts.
func unscripted(t *testing.T) *browser {
	b := browse(t)
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	return b
}

// TestEveryPageIsWholeWithoutScripts: it says what it is about, offers nothing that needs a
// script, and folds away nothing that cannot be unfolded.
func TestEveryPageIsWholeWithoutScripts(t *testing.T) {
	b := unscripted(t)
	w := peopled(t, b)
	for _, at := range w.pages(t) {
		b.show(t, at.path)
		require.False(t, value[bool](t, b, `document.documentElement.classList.contains("scripted")`), "a script has run")
		require.Equal(t, 1, value[int](t, b, `[...document.querySelectorAll("h1")].filter(e => e.checkVisibility()).length`), at.path)
		require.Empty(t, value[[]string](t, b, `[...document.querySelectorAll("button, a, input, select, textarea")].filter(e => e.checkVisibility() && (
			e.type === "button" || e.tagName === "A" && !e.href || e.tagName === "BUTTON" && !e.form || ["INPUT", "SELECT", "TEXTAREA"].includes(e.tagName) && !e.form && !e.readOnly)).map(e => e.outerHTML)`),
			"%s offers what nothing answers", at.path)
		require.Empty(t, value[[]string](t, b, `[...document.querySelectorAll("main *:not(details):not(details *):not(.hidden):not(.js):not(.js *):not(title):not(option):not(datalist)")].filter(e => e.textContent.trim() && !e.checkVisibility() && !e.closest("thead, svg")).map(e => e.outerHTML)`),
			"%s hides something", at.path)
	}
}

// click clicks on the first link or button that has a text, as somebody with a mouse does.
func (b *browser) click(t *testing.T, text string) {
	t.Helper()
	b.sees(t, text)
	at := value[[]float64](t, b, `(() => {
		const e = [...document.querySelectorAll("a, button, summary")].find(e => e.checkVisibility() && e.textContent.trim().startsWith(`+quoted(text)+`));
		if (!e) return [];
		e.scrollIntoView({ block: "center", behavior: "instant" });
		const at = e.getClientRects()[0];
		return [at.x + at.width / 2, at.y + at.height / 2];
	})()`)
	require.Len(t, at, 2, "there is no %s to click on", text)
	b.do(t, chromedp.MouseClickXY(at[0], at[1]))
}

// TestTheTourNeedsNoScripts: which tasks failed, why, what the app answered, and all of them
// again; then a task is looked for, and the looks of pages are changed.
func TestTheTourNeedsNoScripts(t *testing.T) {
	b := unscripted(t)
	var mended sync.Map
	url := refuses(t, &mended)
	for i := range 3 {
		r, err := b.Submit(t.Context(), engine.Task{URL: url, Name: "charge", Queue: "billing", Payload: i})
		require.NoError(t, err)
		b.asked(t, "GET", "/v1/tasks/"+r.ID+"?wait=30s", "")
	}
	b.show(t, "/")
	b.sees(t, "3 tasks failed within the last hour.")
	b.click(t, "3 tasks failed")
	b.at(t, "/tasks")
	b.click(t, "charge")
	b.sees(t, "the card is <b>no</b> card")
	b.sees(t, "422")
	b.click(t, "The same in words")
	b.sees(t, "attempt 1: reject")
	mended.Store("it", true)
	b.click(t, "Retry all of its kind")
	b.at(t, "/actions/new")
	b.sees(t, "3 tasks would be changed")
	b.click(t, "Retry 3 tasks")
	b.sees(t, "Started.")
	require.Eventually(t, func() bool {
		b.show(t, "/tasks?state=succeeded")
		return value[int](t, b, `document.querySelectorAll("tbody tr").length`) == 3
	}, waits, pollEvery)
	b.show(t, "/tasks")
	b.do(t, chromedp.SendKeys("#filter", "queue:billing name:charge"), chromedp.KeyEvent("\r"))
	b.at(t, "/tasks")
	require.Eventually(t, func() bool { return value[string](t, b, "location.search") == "?name=charge&queue=billing" }, waits, pollEvery)
	b.click(t, "Settings")
	b.at(t, "/settings")
	b.do(t, chromedp.SendKeys("#theme", "dark"))
	b.click(t, "Keep")
	b.sees(t, "Kept.")
	require.Equal(t, "dark", value[string](t, b, "document.documentElement.dataset.theme"))
}
