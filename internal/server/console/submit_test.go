package console

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAFormIsARequestOfTheAPI: what is typed, and the request that it is, or what is wrong
// with it.
func TestAFormIsARequestOfTheAPI(t *testing.T) {
	for _, c := range []struct {
		typed url.Values
		want  string
	}{
		{url.Values{"kind": {"http"}, "url": {" http://a/ "}}, `{"url":"http://a/"}`},
		{url.Values{"kind": {"function"}, "url": {"http://a/"}, "function": {"f"}, "endpoint": {"http://b"}, "headers": {"A: b"}}, `{"function":"f","endpoint":"http://b"}`},
		{url.Values{"when": {"10m"}, "priority": {"2"}}, `{"delay":"10m","priority":2}`},
		{url.Values{"when": {"2026-01-31T12:00:00Z"}, "labels": {"a=1\r\n\r\n b = x=y "}}, `{"run_at":"2026-01-31T12:00:00Z","labels":{"a":"1","b":"x=y"}}`},
		{url.Values{"kind": {"http"}, "headers": {"X-Url: http://b:1/"}}, `{"headers":{"X-Url":"http://b:1/"}}`},
		{url.Values{"payload": {"{\"n\": 12345678901234567890,\r\n\"t\": \"<\"}"}}, `{"payload":{"n": 12345678901234567890, "t": "<"}}`},
		{url.Values{"payload": {"a\r\nb"}, "payload_as": {"text"}}, `{"body_base64":"YQpi","content_type":"text/plain; charset=utf-8"}`},
		{url.Values{"payload": {"AAEC\r\nAwQ="}, "payload_as": {"base64"}, "content_type": {"x/y"}}, `{"body_base64":"AAECAwQ=","content_type":"x/y"}`},
		{url.Values{"more": {`{"once":true,"retry":{"factor":3}}`}, "retry.max_attempts": {"4"}}, `{"once":true,"retry":{"factor":3,"max_attempts":4}}`},
	} {
		got, err := taskOf(c.typed)
		require.NoError(t, err, c.want)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(text))
	}
	for detail, typed := range map[string]url.Values{
		"priority is":        {"priority": {"high"}},
		"payload is no JSON": {"payload": {"{"}},
		"labels: \"a\" is no line of it: want name=value": {"labels": {"a"}},
		"is there twice":        {"labels": {"a=1\na=2"}},
		"want name:value":       {"kind": {"http"}, "headers": {"nonsense"}},
		"is no JSON object":     {"more": {"[1]"}},
		"among the other":       {"more": {`{"queue":"a"}`}, "queue": {"b"}},
		"want an object such":   {"more": {`{"retry":3}`}, "retry.max_attempts": {"4"}},
		"max_attempts is \"x\"": {"retry.max_attempts": {"x"}},
	} {
		_, err := taskOf(typed)
		require.ErrorContains(t, err, detail)
	}
}

// TestAChangeIsWhatDiffers from how the task stood; what was emptied gets its default.
func TestAChangeIsWhatDiffers(t *testing.T) {
	was := url.Values{"was.queue": {"mail"}, "was.run_at": {"2026-01-31T12:00:00Z"}, "was.labels": {"a=1\nb=2"}, "was.payload": {"{\n\"a\": 1}"}, "was.priority": {"5"}, "was.retry.max_attempts": {"25"}}
	same := url.Values{"queue": {"mail"}, "run_at": {"2026-01-31T12:00:00Z"}, "labels": {"a=1\r\nb=2"}, "payload": {"{\r\n\"a\": 1}"}, "priority": {"5"}, "retry.max_attempts": {"25"}, "reason": {"why"}}
	for _, c := range []struct{ name, typed, want string }{
		{"reason", "because", `{}`},
		{"queue", "post", `{"queue":"post"}`},
		{"queue", "", `{"queue":null}`},
		{"run_at", "10m", `{"delay":"10m"}`},
		{"run_at", "", `{"run_at":null}`},
		{"expires_at", "2027-01-01T00:00:00Z", `{"expires_at":"2027-01-01T00:00:00Z"}`},
		{"priority", "0", `{"priority":0}`},
		{"retry.max_attempts", "3", `{"retry":{"max_attempts":3}}`},
		{"retry.max_attempts", "", `{"retry":{"max_attempts":null}}`},
		{"labels", "b=3\r\nc=4", `{"labels":{"a":null,"b":"3","c":"4"}}`},
		{"payload", "[1]", `{"payload":[1]}`},
		{"payload", "", `{"payload":null}`},
	} {
		form := url.Values{}
		for _, values := range []url.Values{was, same, {c.name: {c.typed}}} {
			for name, v := range values {
				form[name] = v
			}
		}
		got, err := changeOf(form)
		require.NoError(t, err)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, c.want, string(text), "%s: %s", c.name, c.typed)
	}
}
