package inprocess_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/inprocess"
)

func TestAHandlerAnswersInTheSameProcess(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		w.Header().Set("X-Path", r.Method+" "+r.Host+r.RequestURI)
		w.WriteHeader(http.StatusEarlyHints) // is not the answer
		switch r.URL.Path {
		case "/silent":
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK) // too late
			fallthrough
		default:
			_, _ = w.Write(append([]byte("got "), body...))
			w.(http.Flusher).Flush()
		}
	})
	client := &http.Client{Transport: inprocess.Transport(h)}
	for range 3 { // memory is used again
		for path, want := range map[string]string{"/a?q=1": "200 got hello", "/teapot": "418 got hello", "/silent": "200 "} {
			r, err := client.Post("http://app"+path, "text/plain", strings.NewReader("hello"))
			require.NoError(t, err)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.NoError(t, r.Body.Close())
			require.NoError(t, r.Body.Close(), "once more is nothing")
			code, text, _ := strings.Cut(want, " ")
			require.Equal(t, code, strconv.Itoa(r.StatusCode))
			require.Equal(t, text, string(body))
			require.Equal(t, "POST app"+path, r.Header.Get("X-Path"))
			require.EqualValues(t, len(text), r.ContentLength)
		}
	}
}

func TestABodyThatWasClosedIsEmptyAndLeavesOthersAlone(t *testing.T) {
	client := &http.Client{Transport: inprocess.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))}
	one, err := client.Get("http://app/one")
	require.NoError(t, err)
	require.NoError(t, one.Body.Close())
	two, err := client.Get("http://app/two")
	require.NoError(t, err)
	defer two.Body.Close()
	left, err := io.ReadAll(one.Body)
	require.NoError(t, err)
	require.Empty(t, left)
	body, err := io.ReadAll(two.Body)
	require.NoError(t, err)
	require.Equal(t, "/two", string(body))
}

func TestARequestThatWasGivenUpHasNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel() })
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://app/", nil)
	require.NoError(t, err)
	_, err = inprocess.Transport(h).RoundTrip(r)
	require.ErrorIs(t, err, context.Canceled)
}
