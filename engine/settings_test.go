package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestSettingsOfAQueueAreReplacedChangedAndPutBack(t *testing.T) {
	d := openDoor(t, engine.Config{Retention: engine.Retention{Failed: 100 * time.Hour}}, engine.HandlerConfig{})
	type m = map[string]any
	effective := m{
		"timeout":   "1m0s",
		"retry":     m{"max_attempts": 25.0, "max_age": "168h0m0s", "min_backoff": "1s", "max_backoff": "1h0m0s", "factor": 2.0, "jitter": 0.2},
		"retention": m{"succeeded": "24h0m0s", "failed": "100h0m0s", "canceled": "24h0m0s"}, "discipline": "fifo",
	}
	status, _, _ := d.call(t, "PATCH", "/v1/queues/mail", `{"timeout":"30s"}`)
	require.Equal(t, 404, status, "only PUT makes a queue")
	status, _, q := d.call(t, "PUT", "/v1/queues/mail", `{}`)
	require.Equal(t, 200, status)
	require.Equal(t, []any{"mail", false, m{}, effective}, []any{q["name"], q["paused"], q["settings"], q["effective"]})

	status, _, q = d.call(t, "PUT", "/v1/queues/mail",
		`{"timeout":"30s","retry":{"max_attempts":3,"jitter":0},"target":"http://127.0.0.1:1/x","retention":{"succeeded":"1h"}}`)
	require.Equal(t, 200, status)
	set := m{
		"timeout": "30s", "retry": m{"max_attempts": 3.0, "jitter": 0.0}, "target": "http://127.0.0.1:1/x", "retention": m{"succeeded": "1h0m0s"},
	}
	require.Equal(t, set, q["settings"])
	effective["timeout"], effective["target"] = "30s", "http://127.0.0.1:1/x"
	effective["retry"].(m)["max_attempts"], effective["retry"].(m)["jitter"] = 3.0, 0.0
	effective["retention"].(m)["succeeded"] = "1h0m0s"
	require.Equal(t, effective, q["effective"])

	_, _, q = d.call(t, "PATCH", "/v1/queues/mail", `{"timeout":null,"retry":{"max_attempts":null,"factor":3},"retention":{"failed":7200}}`)
	delete(set, "timeout")
	set["retry"] = m{"jitter": 0.0, "factor": 3.0}
	set["retention"] = m{"succeeded": "1h0m0s", "failed": "2h0m0s"}
	require.Equal(t, set, q["settings"])
	_, _, got := d.call(t, "GET", "/v1/queues/mail", "")
	require.Equal(t, q, got)
	_, _, q = d.call(t, "PATCH", "/v1/queues/mail", `{"concurrency":5,"rate":"100/m"}`)
	require.Equal(t, []any{5.0, "100/m", nil}, []any{q["settings"].(m)["concurrency"], q["settings"].(m)["rate"], q["settings"].(m)["burst"]})
	require.Equal(t, []any{5.0, "100/m", 1.0}, []any{q["effective"].(m)["concurrency"], q["effective"].(m)["rate"], q["effective"].(m)["burst"]})
	d.call(t, "PATCH", "/v1/queues/mail", `{"burst":20}`)
	_, _, q = d.call(t, "PATCH", "/v1/queues/mail", `{"rate":null}`)
	require.Equal(t, "burst", q["errors"].([]any)[0].(m)["field"], "a burst without a rate")
	_, _, q = d.call(t, "PATCH", "/v1/queues/mail", `{"rate":null,"burst":null,"concurrency":null}`)
	require.Equal(t, set, q["settings"])
	_, _, q = d.call(t, "PATCH", "/v1/queues/mail", `{"retry":null,"target":null}`)
	require.Equal(t, m{"retention": set["retention"]}, q["settings"])
	_, _, q = d.call(t, "PUT", "/v1/queues/mail", `{"timeout":"5s","retry":null}`)
	require.Equal(t, m{"timeout": "5s"}, q["settings"], "PUT replaces all")

	status, _, _ = d.call(t, "DELETE", "/v1/queues/mail", "")
	require.Equal(t, 204, status)
	_, _, q = d.call(t, "PUT", "/v1/queues/mail", `{}`)
	require.Equal(t, m{}, q["settings"], "a queue that was forgotten begins anew")
}

func TestWrongSettingsAreRefusedAndChangeNothing(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	d.call(t, "PUT", "/v1/queues/q", `{"timeout":"30s"}`)
	for body, field := range map[string]string{
		`{"concurrency":0}`:                                   "concurrency",
		`{"concurrency":-1}`:                                  "concurrency",
		`{"concurrency":1.5}`:                                 "concurrency",
		`{"concurrency":"5"}`:                                 "concurrency",
		`{"concurrency":1000001}`:                             "concurrency",
		`{"rate":"100"}`:                                      "rate",
		`{"rate":100}`:                                        "rate",
		`{"rate":"0/s"}`:                                      "rate",
		`{"rate":"5/d"}`:                                      "rate",
		`{"burst":5}`:                                         "burst",
		`{"discipline":"lifo"}`:                               "discipline",
		`{"discipline":""}`:                                   "discipline",
		`{"discipline":7}`:                                    "discipline",
		`{"weights":{"acme":4}}`:                              "weights",
		`{"discipline":"fair","weights":{"acme":0}}`:          "weights.acme",
		`{"discipline":"fair","weights":{"acme":1001}}`:       "weights.acme",
		`{"discipline":"fair","weights":{"acme":1.5}}`:        "weights",
		`{"discipline":"fair","weights":{"":2}}`:              "weights",
		`{"discipline":"fair","weights":[4]}`:                 "weights",
		`{"rate":"5/s","burst":0}`:                            "burst",
		`{"rate":"5/s","burst":1000001}`:                      "burst",
		`{"timeout":"1ms"}`:                                   "timeout",
		`{"timeout":0}`:                                       "timeout",
		`{"timeout":"soon"}`:                                  "timeout",
		`{"timeout":true}`:                                    "timeout",
		`{"retry":{"max_attempts":0}}`:                        "retry.max_attempts",
		`{"retry":{"max_attempts":20000}}`:                    "retry.max_attempts",
		`{"retry":{"factor":0.5}}`:                            "retry.factor",
		`{"retry":{"jitter":-1}}`:                             "retry.jitter",
		`{"retry":{"min_backoff":"2s","max_backoff":"1s"}}`:   "retry.min_backoff",
		`{"retry":{"backoff":"2s"}}`:                          "retry.backoff",
		`{"target":""}`:                                       "target",
		`{"target":"ftp://host/"}`:                            "target",
		`{"target":"http://10.0.0.1/"}`:                       "target",
		`{"target":7}`:                                        "target",
		`{"retention":{"succeeded":"-1s"}}`:                   "retention.succeeded",
		`{"retention":{"canceled":"900000000h"}}`:             "retention.canceled",
		`{"retention":"soon"}`:                                "retention.succeeded",
		`{"retention":true}`:                                  "retention",
		`{"paused":true}`:                                     "paused",
		`{"timeout":"10s","timeout":"20s"}`:                   "timeout",
		`{"timeout":"10s","retention":{"failed":"1h","x":1}}`: "retention.x",
		`[]`:        "body",
		`"timeout"`: "body",
	} {
		for _, method := range []string{"PUT", "PATCH"} {
			status, _, p := d.call(t, method, "/v1/queues/q", body)
			require.Equal(t, 422, status, body)
			require.Equal(t, "invalid_request", p["code"])
			require.Equal(t, field, p["errors"].([]any)[0].(map[string]any)["field"], body)
		}
	}
	for _, body := range []string{``, `{`, `{} {}`} {
		status, _, _ := d.call(t, "PATCH", "/v1/queues/q", body)
		require.Equal(t, 400, status)
	}
	for path, want := range map[string]int{"/v1/queues/a%20b": 422, "/v1/queues/a%2Fb": 422, "/v1/queues/q?x=1": 422} {
		status, _, _ := d.call(t, "PUT", path, `{}`)
		require.Equal(t, want, status, path)
	}
	_, _, q := d.call(t, "GET", "/v1/queues/q", "")
	require.Equal(t, map[string]any{"timeout": "30s"}, q["settings"])
	_, _, list := d.call(t, "GET", "/v1/queues", "")
	require.Len(t, list["items"], 1, "no queue was made")
}

// target is where pushes go, and tells the path of each.
func target(t *testing.T) (url string, paths chan string) {
	paths = make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path }))
	t.Cleanup(srv.Close)
	return srv.URL, paths
}

func TestATaskHasWhatItsQueueSaysWhereItSaysNothing(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url, paths := target(t)
	status, _, p := d.call(t, "POST", "/v1/tasks", `{"queue":"q","payload":1}`)
	require.Equal(t, 422, status, p)
	d.call(t, "PUT", "/v1/queues/q", `{"timeout":"30s","retry":{"max_attempts":3,"max_backoff":"10s"},"target":"`+url+`/base"}`)

	status, _, a := d.call(t, "POST", "/v1/tasks", `{"queue":"q","payload":1}`)
	require.Equal(t, 201, status, a)
	require.Equal(t, "/base", <-paths)
	require.Equal(t, []any{"30s", 3.0, url + "/base"}, []any{a["timeout"], a["max_attempts"], a["url"]})
	_, _, a = d.call(t, "POST", "/v1/tasks", `{"queue":"q","url":"`+url+`/own","timeout":"5s","retry":{"min_backoff":"20s"}}`)
	require.Equal(t, "/own", <-paths)
	require.Equal(t, []any{"5s", 3.0}, []any{a["timeout"], a["max_attempts"]})
	require.Equal(t, "20s", a["retry"].(map[string]any)["max_backoff"], "what the task says goes before")
	_, _, a = d.call(t, "POST", "/v1/tasks", `{"queue":"q","function":"f"}`)
	require.Equal(t, url+"/base", a["endpoint"])
	_, _, a = d.call(t, "POST", "/v1/tasks", `{"url":"`+url+`/other"}`)
	require.Equal(t, []any{"1m0s", 25.0}, []any{a["timeout"], a["max_attempts"]}, "of another queue")
}

func TestARetentionOfATaskIsSaidInManyWays(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	type m = map[string]any
	for body, want := range map[string]any{
		`{"retention":"1h30m"}`:                        m{"succeeded": "1h30m0s", "failed": "1h30m0s", "canceled": "1h30m0s"},
		`{"retention":0}`:                              m{"succeeded": "0s", "failed": "0s", "canceled": "0s"},
		`{"retention":{"succeeded":0,"failed":"48h"}}`: m{"succeeded": "0s", "failed": "48h0m0s"},
		`{"retention":{"canceled":null}}`:              nil,
		`{}`:                                           nil,
	} {
		status, _, q := d.call(t, "PATCH", "/v1/queues/"+strconv.Itoa(len(body)), body)
		require.Equal(t, 404, status, "%s: %v", body, q)
		status, _, q = d.call(t, "PUT", "/v1/queues/q"+strconv.Itoa(len(body)), body)
		require.Equal(t, 200, status, "%s: %v", body, q)
		require.Equal(t, want, q["settings"].(m)["retention"], body)
		status, _, created := d.call(t, "POST", "/v1/tasks", `{"url":"http://127.0.0.1:1/","delay":"1h",`+body[1:])
		if body == "{}" {
			continue
		}
		require.Equal(t, 201, status, "%s: %v", body, created)
		require.Equal(t, want, created["retention"], body)
		_, _, shown := d.call(t, "GET", "/v1/tasks/"+created["id"].(string), "")
		require.Equal(t, want, shown["retention"], body)
	}
	for _, body := range []string{`"soon"`, `"-1s"`, `"-1us"`, `{"failed":"900000000h"}`, `{"failed":"1us"}`} {
		status, _, p := d.call(t, "POST", "/v1/tasks", `{"url":"http://127.0.0.1:1/","retention":`+body+`}`)
		require.Equal(t, 422, status, "%s: %v", body, p)
		require.Contains(t, fmt.Sprint(p), "retention.", body)
	}
}

func TestATaskThatIsNotKeptIsThereForThoseWhoWait(t *testing.T) {
	b := open(t, engine.Config{AllowLoopback: true})
	url, paths := target(t)
	b.run(t)
	defer b.stop()
	ctx := t.Context()
	receipt, err := b.Submit(ctx, engine.Task{ID: "gone", URL: url, Retention: task.Retention{Succeeded: task.NotKept}})
	require.NoError(t, err)
	<-paths
	info, err := b.Tasks().Wait(ctx, receipt.ID, time.Minute)
	require.NoError(t, err)
	require.Equal(t, task.Succeeded, info.State)
	require.Equal(t, task.NotKept, info.Retention.Succeeded)
	sweep := func() error {
		_, err := b.db.Retain(ctx, engine.KeepOf(b.Engine), task.ID{}, 100)
		require.NoError(t, err)
		_, err = b.Tasks().Get(ctx, "gone")
		return err
	}
	require.NoError(t, sweep(), "right after its end it is there")
	require.Eventually(t, func() bool { return errors.Is(sweep(), store.ErrNotFound) }, time.Minute, 50*time.Millisecond)
}

func TestARetentionOfAQueueHoldsForItAlone(t *testing.T) {
	b := open(t, engine.Config{AllowLoopback: true})
	url, paths := target(t)
	b.run(t)
	defer b.stop()
	ctx := context.Background()
	_, err := b.Queues().Set(ctx, "short", task.QueueSettings{Retention: task.Retention{Succeeded: time.Millisecond}})
	require.NoError(t, err)
	for _, queue := range []string{"short", "other"} {
		_, err := b.Submit(ctx, engine.Task{ID: queue, URL: url, Queue: queue})
		require.NoError(t, err)
		<-paths
	}
	require.Eventually(t, func() bool {
		_, err := b.db.Retain(ctx, engine.KeepOf(b.Engine), task.ID{}, 100)
		require.NoError(t, err)
		_, err = b.Tasks().Get(ctx, "short")
		return err != nil
	}, 10*time.Second, time.Millisecond)
	_, err = b.Tasks().Get(ctx, "short")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.Tasks().Get(ctx, "other")
	require.NoError(t, err)
	q, err := b.Queues().Update(ctx, "short", func(s *task.QueueSettings) { s.Retention = task.Retention{} })
	require.NoError(t, err)
	require.Equal(t, 24*time.Hour, q.Effective.Retention.Succeeded)
}
