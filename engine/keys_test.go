package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	here  = `{"url":"http://127.0.0.1:1/","delay":"1h"}`
	there = `{"url":"http://127.0.0.1:2/","delay":"1h"}`
)

func batchOf(tasks ...string) string { return `{"tasks":[` + strings.Join(tasks, ",") + `]}` }

func ids(got map[string]any) (out []any) {
	for _, item := range got["items"].([]any) {
		t, _ := item.(map[string]any)["task"].(map[string]any)
		out = append(out, t["id"])
	}
	return out
}

func (d *door) count(t *testing.T) int {
	_, _, all := d.call(t, "GET", "/v1/tasks?limit=500", "")
	return len(all["items"].([]any))
}

func TestOneIdempotencyKeyIsOneRequest(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	batch := func(body, key string) (int, map[string]any) {
		code, _, got := d.call(t, "POST", "/v1/tasks/batch", body, "Idempotency-Key", key)
		return code, got
	}
	code, first := batch(batchOf(here, there), "k")
	require.Equal(t, 201, code, first)

	t.Run("a batch sent again names the tasks it made", func(t *testing.T) {
		code, again := batch(batchOf(here, there), "k")
		require.Equal(t, 200, code)
		require.Equal(t, "[existing existing]", fmt.Sprint(itemStatuses(again)))
		require.Equal(t, ids(first), ids(again))
	})
	t.Run("a batch with one more task is another request, of which nothing is carried out", func(t *testing.T) {
		before := d.count(t)
		for _, body := range []string{batchOf(here, there, here), batchOf(here), `{"atomic":true,"tasks":[` + here + `]}`} {
			code, got := batch(body, "k")
			require.Equal(t, 422, code, got)
			require.Equal(t, "idempotency_key_reused", got["code"])
		}
		code, _, got := d.call(t, "POST", "/v1/tasks", here, "Idempotency-Key", "k")
		require.Equal(t, 422, code, got)
		require.Equal(t, before, d.count(t))
	})
	t.Run("the key of a batch takes none from single requests", func(t *testing.T) {
		for _, key := range []string{"k#0", "k#1", "k1", "k2"} {
			code, _, got := d.call(t, "POST", "/v1/tasks", here, "Idempotency-Key", key)
			require.Equal(t, 201, code, got)
		}
	})
	t.Run("a key that is valid for a task is valid for a batch", func(t *testing.T) {
		code, got := batch(batchOf(here, here), strings.Repeat("k", 255))
		require.Equal(t, "[created created]", fmt.Sprint(itemStatuses(got)))
		require.Equal(t, 201, code)
	})
	t.Run("a task refused at first is tried again, and no other", func(t *testing.T) {
		_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"taken","url":"http://127.0.0.1:1/","delay":"1h"}`)
		body := batchOf(here, `{"id":"taken","url":"http://127.0.0.1:1/"}`)
		_, got := batch(body, "partly")
		require.Equal(t, "[created conflict]", fmt.Sprint(itemStatuses(got)))
		_, _, _ = d.call(t, "DELETE", "/v1/tasks/taken", "")
		_, got = batch(body, "partly")
		require.Equal(t, "[existing created]", fmt.Sprint(itemStatuses(got)))
	})
	t.Run("a task of the batch that was deleted since is told as such", func(t *testing.T) {
		_, _, _ = d.call(t, "DELETE", "/v1/tasks/"+ids(first)[0].(string), "")
		_, got := batch(batchOf(here, there), "k")
		require.Equal(t, "[conflict existing]", fmt.Sprint(itemStatuses(got)))
		require.Equal(t, "gone", got["items"].([]any)[0].(map[string]any)["error"].(map[string]any)["code"])
	})
}

func TestAnAnswerThatNamedAnotherTaskIsRepeated(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	const body = `{"url":"http://127.0.0.1:1/","delay":"1h","unique":{"key":"customer-7"}}`
	_, _, holder := d.call(t, "POST", "/v1/tasks", body)
	code, _, first := d.call(t, "POST", "/v1/tasks", body, "Idempotency-Key", "sync")
	require.Equal(t, 200, code)
	require.Equal(t, holder["id"], first["id"])
	_, _, _ = d.call(t, "POST", "/v1/tasks/"+holder["id"].(string)+"/cancel", "")

	code, h, again := d.call(t, "POST", "/v1/tasks", body, "Idempotency-Key", "sync")
	require.Equal(t, 200, code, "the request was sent once and once again, and has made a second task")
	require.Equal(t, holder["id"], again["id"])
	require.Equal(t, "true", h.Get("Idempotent-Replayed"))
	code, _, _ = d.call(t, "POST", "/v1/tasks", body)
	require.Equal(t, 201, code, "a new request has the unique key again")
}

// blind is a store whose rows cannot be read while it is told so.
type blind struct {
	store.Store
	on atomic.Bool
}

func (b *blind) Rows(ctx context.Context, ids []task.ID) ([]store.Row, error) {
	if b.on.Load() {
		return nil, errors.New("read failed")
	}
	return b.Store.Rows(ctx, ids)
}

func TestABatchWhoseTasksCannotBeReadIsAnsweredAsAWhole(t *testing.T) {
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	reads := &blind{Store: db}
	e, err := engine.New(reads, engine.Config{Roles: []engine.Role{engine.Accept}, AllowLoopback: true})
	require.NoError(t, err)
	srv := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
	defer srv.Close()
	d := &door{bundle: &bundle{Engine: e}, url: srv.URL}
	_, _, first := d.call(t, "POST", "/v1/tasks/batch", batchOf(here, there), "Idempotency-Key", "k")
	reads.on.Store(true)
	code, h, got := d.call(t, "POST", "/v1/tasks/batch", batchOf(here, there), "Idempotency-Key", "k")
	require.Equal(t, 503, code, got)
	require.Equal(t, "1", h.Get("Retry-After"))
	require.NotContains(t, got, "items")
	reads.on.Store(false)
	_, _, got = d.call(t, "POST", "/v1/tasks/batch", batchOf(here, there), "Idempotency-Key", "k")
	require.Equal(t, ids(first), ids(got))
}

func TestAnIDOfTheClientNamesNoOtherTask(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	_, _, other := d.call(t, "POST", "/v1/tasks", here)
	uuid, job := other["id"].(string), fmt.Sprintf("%.0f", other["job"])
	submit := func(id string) (int, map[string]any) {
		code, _, got := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"id":%q,"url":"http://127.0.0.1:1/","delay":"1h"}`, id))
		return code, got
	}
	for _, id := range []string{uuid, strings.ToUpper(uuid), job, "3564069036382480"} {
		code, got := submit(id)
		require.Equal(t, 422, code, "%s: %v", id, got)
		require.Equal(t, "id", got["errors"].([]any)[0].(map[string]any)["field"])
		code, _, got = d.call(t, "POST", "/v1/tasks/batch", batchOf(here, fmt.Sprintf(`{"id":%q,"url":"http://127.0.0.1:1/"}`, id)))
		require.Equal(t, 201, code)
		require.Equal(t, "[created invalid]", fmt.Sprint(itemStatuses(got)))
	}
	for _, id := range []string{"42", "0" + job, "9007199254740992", "c1b5b6ae-7f3e-4c5e-8a51-0d0a3c6a1f2e", "019aab6e-6f3a-7c1e-8d24-5f2b7a1c9e00"} {
		code, got := submit(id)
		require.Equal(t, 201, code, "%s: %v", id, got)
		_, _, got = d.call(t, "GET", "/v1/tasks/"+id, "")
		require.Equal(t, id, got["id"])
	}
	_, _, got := d.call(t, "GET", "/v1/tasks/"+job, "")
	require.Equal(t, uuid, got["id"])
}

func TestANameThatNoPathCanHoldIsRefused(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	_, _, f := d.call(t, "POST", "/v1/tasks", `{"id":"f","function":"f","endpoint":"http://127.0.0.1:1","delay":"1h"}`)
	require.Equal(t, "f", f["id"])
	for _, dots := range []string{".", ".."} {
		for _, field := range []string{"id", "queue", "handler"} {
			body := fmt.Sprintf(`{"url":"http://127.0.0.1:1/",%q:%q}`, field, dots)
			if field == "handler" {
				body = fmt.Sprintf(`{"handler":%q}`, dots)
			}
			code, _, got := d.call(t, "POST", "/v1/tasks", body)
			require.Equal(t, 422, code, "%s: %v", body, got)
			require.Contains(t, got["detail"], "no path can name")
		}
		code, _, got := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"function":"f","endpoint":"bridge://%s"}`, dots))
		require.Equal(t, 422, code)
		require.Contains(t, got["detail"], "session")
		code, _, got = d.call(t, "POST", "/sendoff.v1.FunctionExtension/SendSignal",
			fmt.Sprintf(`{"dispatchId":"f","name":%q}`, dots), "Content-Type", "application/json")
		require.Equal(t, 400, code)
		require.Contains(t, got["message"], "no path can name")
	}
	code, _, got := d.call(t, "POST", "/v1/tasks/f/signals/"+strings.Repeat("x", 201), "1", "Content-Type", "application/json")
	require.Equal(t, 422, code, got)
	code, _, got = d.call(t, "POST", "/v1/tasks/f/signals/empty", "")
	require.Equal(t, 204, code, got)
	code, _, _ = d.call(t, "POST", "/v1/tasks/f/signals/%C3%BC%2F..", "1", "Content-Type", "application/json")
	require.Equal(t, 204, code)
	code, _, got = d.call(t, "POST", "/v1/tasks/f/signals/long", `"`+strings.Repeat("x", 1_000_000)+`"`, "Content-Type", "application/json")
	require.Equal(t, 204, code, got)
	code, _, got = d.call(t, "POST", "/v1/tasks/f/signals/long", `"`+strings.Repeat("x", 1<<20)+`"`, "Content-Type", "application/json")
	require.Equal(t, 413, code, got)
}

func TestARetryByHandWaitsForTheUniqueKey(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	const body = `{"url":"http://127.0.0.1:1/","delay":"1h","unique":{"key":"customer-7"}}`
	act := func(id any, verb string) (int, map[string]any) {
		code, _, got := d.call(t, "POST", fmt.Sprintf("/v1/tasks/%s/%s", id, verb), "")
		return code, got
	}
	_, _, first := d.call(t, "POST", "/v1/tasks", body)
	act(first["id"], "cancel")
	_, _, second := d.call(t, "POST", "/v1/tasks", body)
	code, got := act(first["id"], "retry")
	require.Equal(t, 409, code, got)
	require.Equal(t, "already_exists", got["code"])
	require.Equal(t, fmt.Sprintf("task %q: another task holds its unique key, cancel that one or wait for its end: %s", first["id"], second["id"]), got["detail"])
	act(second["id"], "cancel")
	code, _ = act(first["id"], "retry")
	require.Equal(t, 200, code)
	code, got = act(second["id"], "retry")
	require.Equal(t, 409, code, "two tasks with one unique key are open: %v", got)
}
