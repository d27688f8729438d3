package sendoff_test

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// clientOf returns a client of a server that answers with handle.
func clientOf(t *testing.T, handle http.HandlerFunc, config ...sendoff.ClientConfig) *sendoff.Client {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	config = append(config, sendoff.ClientConfig{})
	config[0].URL = s.URL
	c, err := sendoff.NewClient(config[0])
	require.NoError(t, err)
	return c
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func TestTheClientTakesItsServerFromTheEnvironment(t *testing.T) {
	t.Setenv("SENDOFF_URL", "")
	c, err := sendoff.NewClient(sendoff.ClientConfig{})
	require.NoError(t, err)
	require.Equal(t, sendoff.DefaultURL, c.URL())
	t.Setenv("SENDOFF_URL", "https://tasks.example.com/sendoff/")
	c, err = sendoff.NewClient(sendoff.ClientConfig{})
	require.NoError(t, err)
	require.Equal(t, "https://tasks.example.com/sendoff", c.URL())
	for _, bad := range []string{"localhost:4450", "ftp://x", "http://", "http://u:p@x", "http://x?y=1"} {
		_, err = sendoff.NewClient(sendoff.ClientConfig{URL: bad})
		require.ErrorContains(t, err, "server URL", bad)
		require.NotContains(t, err.Error(), "u:p")
	}
}

func TestATaskIsSubmittedInTheShapeOfTheAPI(t *testing.T) {
	t.Setenv("SENDOFF_API_KEY", "secret")
	var got map[string]any
	var header http.Header
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		require.Equal(t, "POST /v1/tasks", r.Method+" "+r.URL.Path)
		require.NoError(t, json.NewDecoder(r.Body).Decode(&got))
		answer(w, 201, `{"id":"7","state":"scheduled","timeout":"1m30s","retry":{"max_attempts":3,"min_backoff":"100ms","jitter":0},"created_at":"2026-11-22T10:00:00Z"}`)
	})
	none := 0.0
	task, err := c.Submit(t.Context(), sendoff.NewTask{
		URL: "http://x/", Payload: map[string]int{"n": 1}, Delay: 90 * time.Second, Priority: new(0),
		Timeout: time.Minute, ExpiresAt: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Labels: map[string]string{"a": "b"},
		Retry:  &sendoff.RetryPolicy{MaxAttempts: 3, MinBackoff: 100 * time.Millisecond, Jitter: &none},
		Unique: &sendoff.Unique{Key: "k", Window: time.Hour, OnConflict: sendoff.OnConflictReject},
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"url": "http://x/", "payload": map[string]any{"n": 1.0}, "delay": "1m30s", "priority": 0.0, "timeout": "1m0s",
		"expires_at": "2030-01-02T03:04:05Z", "labels": map[string]any{"a": "b"},
		"retry":  map[string]any{"max_attempts": 3.0, "min_backoff": "100ms", "jitter": 0.0},
		"unique": map[string]any{"key": "k", "window": "1h0m0s", "on_conflict": "reject"},
	}, got)
	require.Equal(t, "Bearer secret", header.Get("Authorization"))
	require.NotEmpty(t, header.Get("Idempotency-Key"))
	require.Equal(t, 90*time.Second, task.Timeout)
	require.Equal(t, 100*time.Millisecond, task.Retry.MinBackoff)
	require.False(t, task.Existing || task.Replayed || task.Final())

	again, err := json.Marshal(task)
	require.NoError(t, err)
	require.Contains(t, string(again), `"timeout":"1m30s"`)
	require.NotContains(t, string(again), "finished_at")
}

func TestASubmissionIsRepeatedWithItsKeyUntilItIsAnswered(t *testing.T) {
	var tries atomic.Int64
	keys := make(chan string, 10)
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		switch tries.Add(1) {
		case 1:
			panic(http.ErrAbortHandler) // the answer is lost
		case 2:
			w.Header().Set("Retry-After", "0")
			answer(w, 503, `{"title":"busy"}`)
		default:
			w.Header().Set("Idempotent-Replayed", "true")
			answer(w, 200, `{"id":"7","state":"ready"}`)
		}
	})
	task, err := c.Submit(t.Context(), sendoff.NewTask{URL: "http://x/"})
	require.NoError(t, err)
	require.True(t, task.Replayed)
	require.False(t, task.Existing)
	first := <-keys
	require.Equal(t, first, <-keys)
	require.Equal(t, first, <-keys)
}

func TestWhatMayNotBeRepeatedIsSentOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		call  func(context.Context, *sendoff.Client) error
		tries int64
	}{
		"batch": {func(ctx context.Context, c *sendoff.Client) error {
			_, err := c.SubmitMany(ctx, nil, true)
			return err
		}, 3}, // it carries a key
		"retry":  {func(ctx context.Context, c *sendoff.Client) error { _, err := c.Tasks.Retry(ctx, "x"); return err }, 1},
		"cancel": {func(ctx context.Context, c *sendoff.Client) error { _, err := c.Tasks.Cancel(ctx, "x"); return err }, 3},
		"get":    {func(ctx context.Context, c *sendoff.Client) error { _, err := c.Get(ctx, "x"); return err }, 3},
		"pause":  {func(ctx context.Context, c *sendoff.Client) error { _, err := c.Queues.Pause(ctx, "x"); return err }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int64
			c := clientOf(t, func(http.ResponseWriter, *http.Request) {
				tries.Add(1)
				panic(http.ErrAbortHandler)
			}, sendoff.ClientConfig{Resends: 2, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
			require.Error(t, tt.call(t.Context(), c))
			require.Equal(t, tt.tries, tries.Load())
		})
	}
}

func TestAProblemSaysWhenToComeBack(t *testing.T) {
	for name, tt := range map[string]struct {
		fields []string
		want   time.Duration
	}{
		"not said":    {nil, 0},
		"at once":     {[]string{"0"}, time.Millisecond},
		"nonsense":    {[]string{"soon"}, 0},
		"two answers": {[]string{"40", "3600"}, time.Hour}, // that of a proxy, and the server's
	} {
		c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Retry-After"] = tt.fields
			answer(w, 503, `{"code":"busy"}`)
		}, sendoff.ClientConfig{Resends: -1})
		_, err := c.Submit(t.Context(), sendoff.NewTask{})
		var p *sendoff.Problem
		require.ErrorAs(t, err, &p)
		require.Equal(t, tt.want, p.RetryAfter, name)
	}
}

func TestARefusalIsAProblemThatNamesTheField(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 422, `{"title":"Unprocessable","status":422,"code":"invalid","errors":[{"field":"url","message":"is missing"}]}`)
	})
	_, err := c.Submit(t.Context(), sendoff.NewTask{})
	var p *sendoff.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, "invalid", p.Code)
	require.Equal(t, []sendoff.ProblemField{{Field: "url", Message: "is missing"}}, p.Fields)
	require.Equal(t, "url: is missing (422)", err.Error())

	c = clientOf(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "bad gateway", 502) })
	_, err = c.Get(t.Context(), "x")
	require.ErrorAs(t, err, &p)
	require.Equal(t, "bad gateway (502)", err.Error())

	c = clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 404, `{"code":"not_found","detail":"no such task"}`)
	})
	_, err = c.Get(t.Context(), "a/b")
	require.True(t, sendoff.IsNotFound(err))
	require.False(t, sendoff.IsConflict(err))

	c = clientOf(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") })
	_, err = c.Queues.List(t.Context())
	require.ErrorContains(t, err, "not that of a Sendoff server")
}

func TestAListingGoesOnThroughPartialPages(t *testing.T) {
	var seen []string
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.Query().Encode())
		switch r.URL.Query().Get("cursor") {
		case "":
			answer(w, 200, `{"items":[{"id":"1","state":"ready"},{"id":"2","state":"ready"}],"next_cursor":"a"}`)
		case "a":
			answer(w, 200, `{"items":[],"next_cursor":"b","partial":true}`)
		default:
			answer(w, 200, `{"items":[{"id":"3","state":"ready"},{"id":"4","state":"ready"}]}`)
		}
	})
	list := func(f sendoff.Filter) (ids []string) {
		for task, err := range c.Tasks.List(t.Context(), f) {
			require.NoError(t, err)
			ids = append(ids, task.ID)
		}
		return ids
	}
	filter := sendoff.Filter{States: []sendoff.State{sendoff.StateReady, sendoff.StateFailed}, Queue: "q", Labels: map[string]string{"k": "v"}, CreatedAfter: time.Unix(0, 0)}
	require.Equal(t, []string{"1", "2", "3", "4"}, list(filter))
	require.Equal(t, "created_after=1970-01-01T00%3A00%3A00Z&label.k=v&queue=q&state=ready&state=failed", seen[0])
	require.Equal(t, []string{"1", "2", "3"}, list(sendoff.Filter{Limit: 3}))
	require.Equal(t, "cursor=b&limit=1", seen[len(seen)-1])
}

func TestAListingEndsWithItsFirstError(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 400, `{"detail":"no"}`) })
	n := 0
	for task, err := range c.Tasks.List(t.Context(), sendoff.Filter{}) {
		require.Nil(t, task)
		require.ErrorContains(t, err, "no (400)")
		n++
	}
	require.Equal(t, 1, n)
}

func TestWaitAsksUntilTheTaskHasEnded(t *testing.T) {
	var asked atomic.Int64
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		require.NotEmpty(t, r.URL.Query().Get("wait"))
		switch n := asked.Add(1); {
		case n == 1:
			answer(w, 499, `{"detail":"the server stops"}`)
			return
		case n < 3:
			answer(w, 200, `{"id":"1","state":"running"}`)
			return
		}
		answer(w, 200, `{"id":"1","state":"failed","reason":"rejected"}`)
	})
	task, err := c.Wait(t.Context(), "1")
	require.NoError(t, err)
	require.Equal(t, "failed rejected", string(task.State)+" "+task.Reason)

	asked.Store(-1000)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	task, err = c.Wait(ctx, "1")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, sendoff.StateRunning, task.State)
}

func TestWithoutAServerTheErrorIsThatOfTheConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://" + l.Addr().String(), Resends: 1})
	require.NoError(t, err)
	_, err = c.Nodes.List(t.Context())
	require.ErrorContains(t, err, "connection refused")
}

func TestAttemptsAndQueuesAreRead(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.EscapedPath(), "/v1/") {
		case "tasks/a%2Fb/attempts":
			answer(w, 200, `{"items":[{"number":1,"token":9,"outcome":"failure","status":500,"duration":"12ms","body":"oh","headers":{"X":"y"}}]}`)
		case "queues/q/stats":
			answer(w, 200, `{"queue":"q","ready":3,"oldest_ready":"1.2s"}`)
		case "queues/q/purge":
			answer(w, 200, `{"purged":3}`)
		case "nodes":
			answer(w, 200, `{"items":[{"id":"n","roles":["accept"],"draining":true}]}`)
		default:
			t.Errorf("%s %s", r.Method, r.URL)
		}
	})
	attempts := collect(t, c.Tasks.Attempts(t.Context(), "a/b"))
	require.Equal(t, &sendoff.Attempt{Number: 1, Token: 9, Outcome: "failure", Status: 500, Duration: 12 * time.Millisecond, Body: "oh",
		Headers: map[string]string{"X": "y"}}, attempts[0])
	stats, err := c.Queues.Stats(t.Context(), "q")
	require.NoError(t, err)
	require.Equal(t, 1200*time.Millisecond, stats.OldestReady)
	text, err := json.Marshal(stats)
	require.NoError(t, err)
	require.Contains(t, string(text), `"oldest_ready":"1.2s"`)
	n, err := c.Queues.Purge(t.Context(), "q")
	require.NoError(t, err)
	require.Equal(t, 3, n)
	nodes, err := c.Nodes.List(t.Context())
	require.NoError(t, err)
	require.True(t, nodes[0].Draining)
}

// collect reads a listing to its end.
func collect[T any](t *testing.T, list iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for item, err := range list {
		require.NoError(t, err)
		all = append(all, item)
	}
	return all
}

// firstError is that which ends a listing.
func firstError[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestSettingsOfAQueueAreInTheShapeOfTheAPI(t *testing.T) {
	const reply = `{"name":"q","paused":false,"settings":{"timeout":"30s"},
		"effective":{"timeout":"30s","retry":{"max_attempts":25,"max_age":"168h0m0s"},"retention":{"succeeded":"1h0m0s","failed":7200,"canceled":"0s"}}}`
	var method, path, body string
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		method, path, body = r.Method, r.URL.EscapedPath(), string(b)
		answer(w, 200, reply)
	})
	all := sendoff.QueueSettings{
		Concurrency: 5, Rate: "100/s", Burst: 20, Discipline: sendoff.Fair, Weights: map[string]int{"acme": 4}, Timeout: 30 * time.Second, Retry: &sendoff.RetryPolicy{MaxAttempts: 3, Jitter: new(0.0)}, Target: "http://host",
		Retention: &sendoff.Retention{Succeeded: time.Hour, Failed: sendoff.NotKept},
	}
	q, err := c.Queues.Set(t.Context(), "a b", all)
	require.NoError(t, err)
	require.Equal(t, "PUT /v1/queues/a%20b", method+" "+path)
	require.JSONEq(t, `{"concurrency":5,"rate":"100/s","burst":20,"discipline":"fair","weights":{"acme":4},"timeout":"30s","retry":{"max_attempts":3,"jitter":0},"target":"http://host","retention":{"succeeded":"1h0m0s","failed":"0s"}}`, body)
	require.Equal(t, sendoff.QueueSettings{Timeout: 30 * time.Second}, q.Settings)
	require.Equal(t, 168*time.Hour, q.Effective.Retry.MaxAge)
	require.Equal(t, sendoff.Retention{Succeeded: time.Hour, Failed: 2 * time.Hour, Canceled: sendoff.NotKept}, *q.Effective.Retention)

	_, err = c.Queues.Update(t.Context(), "q", sendoff.QueueSettings{Timeout: time.Minute}, "target", "retry.max_attempts", "retry.factor")
	require.NoError(t, err)
	require.Equal(t, "PATCH /v1/queues/q", method+" "+path)
	require.JSONEq(t, `{"timeout":"1m0s","target":null,"retry":{"max_attempts":null,"factor":null}}`, body)
}

func TestGroupsOfAQueueAreReadAsTheyAreWritten(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, `{"queue":"q","ready":5,"oldest_ready":"2s","groups":[{"group":"acme","weight":4,"ready":5,"scheduled":1,"running":2,"oldest_ready":"1.5s"}]}`)
	})
	got, err := c.Queues.Stats(t.Context(), "q")
	require.NoError(t, err)
	want := []sendoff.GroupStats{{Group: "acme", Weight: 4, Ready: 5, Scheduled: 1, Running: 2, OldestReady: 1500 * time.Millisecond}}
	require.Equal(t, want, got.Groups)
	b, err := json.Marshal(got)
	require.NoError(t, err)
	var again sendoff.QueueStats
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, *got, again)
}

func TestAChangeOfATaskSendsWhatIsGiven(t *testing.T) {
	var asked, body string
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked, body = r.Method+" "+r.URL.EscapedPath(), string(b)
		answer(w, 200, `{"id":"a b","state":"scheduled","queue":"q"}`)
	})
	got, err := c.Tasks.Change(t.Context(), "a b", sendoff.TaskChange{
		Delay: time.Minute, Queue: "q", Priority: new(0), Retry: &sendoff.RetryPolicy{MaxAttempts: 3}, Labels: map[string]string{"a": "1"},
		Payload: json.RawMessage(`{"n":9007199254740993}`),
	}, "expires_at", "labels.b.c", "retry.jitter")
	require.NoError(t, err)
	require.Equal(t, "q", got.Queue)
	require.Equal(t, "PATCH /v1/tasks/a%20b", asked)
	require.JSONEq(t, `{"delay":"1m0s","queue":"q","priority":0,"retry":{"max_attempts":3,"jitter":null},"labels":{"a":"1","b.c":null},"expires_at":null,"payload":{"n":9007199254740993}}`, body)
	require.Contains(t, body, "9007199254740993")
}
