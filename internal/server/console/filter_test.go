package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAFilterIsTyped(t *testing.T) {
	for typed, want := range map[string]string{
		"":                                       "",
		"state:failed":                           "state=failed",
		"state:failed,canceled  queue:mail":      "queue=mail&state=failed&state=canceled",
		"-queue:mail":                            "queue%21=mail",
		"label.customer:7 label.plan:gold":       "label.customer=7&label.plan=gold",
		`error:"timed out"`:                      "error=timed+out",
		"boom":                                   "error=boom",
		`"could not connect"`:                    "error=could+not+connect",
		"name:a:b":                               "name=a%3Ab",
		"created_after:2026-11-01T00:00:00Z":     "created_after=2026-11-01T00%3A00%3A00Z",
		"function:order min_attempts:3 <b>x</b>": "error=%3Cb%3Ex%3C%2Fb%3E&function=order&min_attempts=3",
	} {
		q, err := parseFilter(typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, q.Encode(), typed)
	}
	for typed, want := range map[string]string{
		`error:"open`:                `a " is not closed`,
		"state:":                     `"state:" is no term`,
		":failed":                    `":failed" is no term`,
		strings.Repeat("a ", 33):     "33 terms",
		strings.Repeat("a", 2<<10+1): "longer than 2048 bytes",
	} {
		_, err := parseFilter(typed)
		require.ErrorContains(t, err, want, typed)
	}
}

// TestAQueryIsShownAsItWouldBeTyped: from parameters to the box and back.
func TestAQueryIsShownAsItWouldBeTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9.é<&'=/ -]{0,12}[a-z0-9]`)
		q := url.Values{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"state", "queue!", "name", "label.k", "error", "function"}), rapid.ID[string]).Draw(t, "names") {
			n := 1
			if repeats(name) {
				n = rapid.IntRange(1, 3).Draw(t, "n")
			}
			for range n {
				q.Add(name, word.Draw(t, name))
			}
		}
		back, err := parseFilter(filterText(q))
		if err != nil {
			t.Fatal(err)
		}
		if back.Encode() != q.Encode() {
			t.Fatalf("%v became %q and then %v", q, filterText(q), back)
		}
	})
}

func TestAPageLeadsToPagesOfItsOwnOnly(t *testing.T) {
	for next, want := range map[string]string{
		"/tasks?state=failed": "/tasks?state=failed", "/": "/", "": "/", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/",
		"/v1/tasks": "/", "javascript:alert(1)": "/", "/tasks\r\nX: y": "/", "tasks": "/",
	} {
		require.Equal(t, want, localPath(next), next)
	}
}

// TestWhatBrowsersLoadIsSmall: before compression.
func TestWhatBrowsersLoadIsSmall(t *testing.T) {
	require.Less(t, len(files["app.js"].body), 30<<10)
	require.Less(t, len(files["app.css"].body), 20<<10)
}

func TestWrongKeysAreTriedFiveTimesAMinute(t *testing.T) {
	var tr tries
	for range mostTries {
		require.True(t, tr.take("192.0.2.1:5000"))
	}
	require.False(t, tr.take("192.0.2.1:5001"))
	require.True(t, tr.take("192.0.2.2:5000"), "another address")
	tr.forget("192.0.2.1:5002")
	require.True(t, tr.take("192.0.2.1:5003"), "it had the right one at last")
}
