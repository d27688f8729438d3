package console_test

import (
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

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
