package api

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// submissionOf reads a body as the door does.
func submissionOf(t *testing.T, text string) (accept.Submission, task.Invalid) {
	t.Helper()
	var q CreateRequest
	if p := decode([]byte(text), &q); p != nil {
		require.FailNow(t, p.Detail)
	}
	var bad task.Invalid
	return q.submission(&bad), bad
}

func TestABodyIsReadAsItWasMeant(t *testing.T) {
	type sub = accept.Submission
	for body, want := range map[string]func(sub) (got, want any){
		`{"delay":"1m30s"}`: func(s sub) (any, any) { return s.Delay, 90 * time.Second },
		`{"delay":90}`:      func(s sub) (any, any) { return s.Delay, 90 * time.Second },
		`{"delay":0.25}`:    func(s sub) (any, any) { return s.Delay, 250 * time.Millisecond },
		`{"delay":null}`:    func(s sub) (any, any) { return s.Delay, time.Duration(0) },
		`{"run_at":"2030-01-02T03:04:05.678+02:00"}`: func(s sub) (any, any) {
			return s.RunAt.UTC(), time.Date(2030, 1, 2, 1, 4, 5, 678_000_000, time.UTC)
		},
		`{"payload": {"a" : 1.0} }`: func(s sub) (any, any) { return string(s.Payload), `{"a" : 1.0}` },
		`{"payload":null}`:          func(s sub) (any, any) { return string(s.Payload), "null" },
		`{"payload":1}`:             func(s sub) (any, any) { return s.Spec.ContentType, "application/json" },
		`{"body_base64":"AAH/"}`: func(s sub) (any, any) {
			return string(s.Payload) + s.Spec.ContentType, "\x00\x01\xffapplication/octet-stream"
		},
		`{"payload":1,"headers":{"content-type":"text/x"}}`: func(s sub) (any, any) {
			return s.Spec.ContentType, "" // a header has it
		},
		`{"priority":0}`:                              func(s sub) (any, any) { return *s.Priority, 0 },
		`{"retry":{"jitter":0}}`:                      func(s sub) (any, any) { return s.Spec.Retry.Jitter, -1.0 },
		`{"retry":{"max_attempts":3}}`:                func(s sub) (any, any) { return s.Spec.Retry, task.RetryPolicy{MaxAttempts: 3} },
		`{"function":"f","retry":{"max_attempts":0}}`: func(s sub) (any, any) { return s.Spec.Retry.MaxAttempts, int32(0) },
		`{"unique":{"key":"k","window":"1h","on_conflict":"replace"}}`: func(s sub) (any, any) {
			return *s.Unique, accept.Unique{Key: "k", Window: time.Hour, OnConflict: store.Replace}
		},
	} {
		s, bad := submissionOf(t, body)
		require.Empty(t, bad, body)
		got, expected := want(s)
		require.Equal(t, expected, got, body)
	}
}

func TestWhatCannotBeReadIsSaidByField(t *testing.T) {
	for body, want := range map[string]string{
		`{"delay":"soon"}`:                           "delay",
		`{"delay":true}`:                             "delay",
		`{"delay":{}}`:                               "delay",
		`{"timeout":"0s"}`:                           "timeout",
		`{"run_at":"tomorrow"}`:                      "run_at",
		`{"expires_at":"0001-01-01T00:00:00Z"}`:      "expires_at",
		`{"payload":1,"body_base64":"AA=="}`:         "payload",
		`{"body_base64":"?"}`:                        "body_base64",
		`{"headers":{"a":"1","A":"2"}}`:              "headers.",
		`{"retry":{"max_attempts":0}}`:               "retry.max_attempts",
		`{"retry":{"factor":0}}`:                     "retry.factor",
		`{"retry":{"jitter":-0.5}}`:                  "retry.jitter",
		`{"retry":{"min_backoff":0}}`:                "retry.min_backoff",
		`{"unique":{"key":"k","on_conflict":"win"}}`: "unique.on_conflict",
		`{"signal":{"name":"s","any_base64":"AA"}}`:  "signal.any_base64",
	} {
		_, bad := submissionOf(t, body)
		require.Len(t, bad, 1, body)
		require.Contains(t, bad[0].Field, want, body)
		require.NotEmpty(t, bad[0].Message)
	}
}

func TestABodyThatIsNoRequestIsRefused(t *testing.T) {
	for body, want := range map[string]string{
		"":                      "JSON",
		"\xff{}":                "UTF-8",
		`{"url":"http://h/"`:    "JSON",
		`[]`:                    "object",
		`{"uri":"http://h/"}`:   "uri: is not a known field",
		`{"url":5}`:             "url",
		`{"retry":{"max":1}}`:   "max: is not a known field",
		`{"url":"a"} {}`:        "JSON",
		`{"url":"a","url":"b"}`: "twice",
	} {
		p := decode([]byte(body), new(CreateRequest))
		require.NotNil(t, p, body)
		require.Contains(t, fmt.Sprint(p.Detail, p.Errors), want, body)
		require.Contains(t, []int{400, 422}, p.Status, body)
	}
}

func TestEveryErrorOfTheTableHasItsAnswer(t *testing.T) {
	codes := map[int]bool{}
	for _, row := range table {
		p := problemOf(fmt.Errorf("while asked: %w", row.err))
		require.Equal(t, row.status, p.Status, row.err)
		require.Equal(t, row.code, p.Code, row.err)
		require.Equal(t, row.retry, p.RetryAfter, row.err)
		require.Nil(t, p.Cause, "what clients are told needs no log: %v", row.err)
		codes[p.Status] = true
	}
	require.Len(t, codes, 6, "403, 404, 408, 409, 422, 503")
}

func TestWhatTheDatabaseSaysIsNotTold(t *testing.T) {
	secret := fmt.Errorf("dial postgres://user:secret@db: refused")
	p := problemOf(secret)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")
	require.Equal(t, 503, p.Status)
	require.Equal(t, 1, p.RetryAfter)
	var told error
	cfg := Config{Unknown: func(err error) { told = err }}
	cfg.tell(p)
	require.Equal(t, secret, told)
}
