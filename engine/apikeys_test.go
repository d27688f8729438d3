package engine_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// within waits for at most a second until a condition holds.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "not within a second: %s", what)
	}
}

func clientOf(t *testing.T, url, key string) *sendoff.Client {
	t.Helper()
	c, err := sendoff.NewClient(sendoff.ClientConfig{URL: url, APIKey: key, Resends: -1})
	require.NoError(t, err)
	return c
}

func TestTheFirstKeyClosesTheServer(t *testing.T) {
	d := openDoor(t, engine.Config{Version: "v1"}, engine.HandlerConfig{})
	ctx := t.Context()
	anybody := clientOf(t, d.url, "")
	me, err := anybody.Me(ctx)
	require.NoError(t, err)
	require.Equal(t, &sendoff.Me{Name: "anybody", Namespace: "default", Scopes: []sendoff.Scope{"admin"}, Features: []string{}, Version: "v1"}, me)

	made, err := anybody.APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "mine", Scopes: []sendoff.Scope{"admin"}})
	require.NoError(t, err)
	require.True(t, auth.WellFormed(made.Key))
	require.True(t, strings.HasPrefix(made.Key, made.Prefix))
	within(t, "closed", func() bool { _, err := anybody.Me(ctx); return err != nil })
	mine := clientOf(t, d.url, made.Key)
	me, err = mine.Me(ctx)
	require.NoError(t, err)
	require.Equal(t, []any{made.ID, "mine", "default"}, []any{me.Key, me.Name, me.Namespace})

	reader, err := mine.APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "reader", Scopes: []sendoff.Scope{"read", "enqueue"}, ExpiresAt: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, []sendoff.Scope{"read", "enqueue"}, reader.Scopes)
	read := clientOf(t, d.url, reader.Key)
	_, err = read.Queues.List(ctx)
	require.NoError(t, err)
	_, err = read.Queues.Pause(ctx, "default")
	require.ErrorAs(t, err, new(*sendoff.Problem))
	require.ErrorContains(t, err, "it has no scope operate")
	code, _, body := d.call(t, "POST", "/v1/queues/default/pause", "", "Authorization", "Bearer "+reader.Key)
	require.Equal(t, []any{403, "operate"}, []any{code, body["scope"]})

	all, err := mine.APIKeys.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"mine", "reader"}, []string{all[0].Name, all[1].Name})
	require.Empty(t, all[0].Key+all[1].Key, "it is shown once")

	require.NoError(t, mine.APIKeys.Revoke(ctx, reader.ID))
	within(t, "revoked", func() bool { _, err := read.Queues.List(ctx); return err != nil })
	require.True(t, sendoff.IsNotFound(mine.APIKeys.Revoke(ctx, reader.ID)))
	require.NoError(t, mine.APIKeys.Revoke(ctx, made.ID))
	within(t, "revoked", func() bool { _, err := mine.Me(ctx); return err != nil })
	_, err = anybody.Me(ctx)
	require.Error(t, err, "it stays closed when no key is left")
	rows, err := d.db.ListAudit(ctx, store.AuditQuery{Limit: 100})
	require.NoError(t, err)
	text := ""
	for _, r := range rows {
		text += r.Action + " " + r.Target + " " + r.Name + "\n"
	}
	require.Contains(t, text, "create-api-key "+made.ID+" anybody")
	require.Contains(t, text, "revoke-api-key "+reader.ID+" mine")
	require.NotContains(t, text, made.Key)
}

func TestAWrongKeyIsNotMade(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for body, field := range map[string]string{
		`{}`:                                   "name",
		`{"name":"n"}`:                         "scopes",
		`{"name":"n","scopes":[]}`:             "scopes",
		`{"name":"n","scopes":["root"]}`:       "scopes",
		`{"name":"n","scopes":"read"}`:         "scopes",
		`{"name":"","scopes":["read"]}`:        "name",
		`{"name":"n","scopes":["read"],"x":1}`: "x",
		`{"name":"n","scopes":["read"],"expires_at":"2020-01-01T00:00:00Z"}`: "expires_at",
		`{"name":"n","scopes":["read"],"expires_at":"soon"}`:                 "expires_at",
		`{"name":"n","scopes":["read"],"namespace":"a b"}`:                   "namespace",
		`{"name":"` + strings.Repeat("x", 201) + `","scopes":["read"]}`:      "name",
	} {
		code, _, got := d.call(t, "POST", "/v1/api-keys", body)
		require.Equal(t, 422, code, "%s: %v", body, got)
		require.Equal(t, field, got["errors"].([]any)[0].(map[string]any)["field"], body)
	}
	_, _, all := d.call(t, "GET", "/v1/api-keys", "")
	require.Empty(t, all["items"])
}

func TestAKeyEndsByItself(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	made, err := clientOf(t, d.url, "").APIKeys.Create(t.Context(), sendoff.NewAPIKey{Name: "short", Scopes: []sendoff.Scope{"read"}, ExpiresAt: time.Now().Add(400 * time.Millisecond)})
	require.NoError(t, err)
	c := clientOf(t, d.url, made.Key)
	_, err = c.Me(t.Context())
	require.NoError(t, err)
	within(t, "over", func() bool { _, err := c.Me(t.Context()); return err != nil })
}

// TestTheDatabaseHoldsNoKey reads every value that is stored, as whoever steals a backup.
func TestTheDatabaseHoldsNoKey(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	made, err := clientOf(t, d.url, "").APIKeys.Create(t.Context(), sendoff.NewAPIKey{Name: "n", Scopes: []sendoff.Scope{"admin"}})
	require.NoError(t, err)
	keys, err := d.db.APIKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	sum := auth.HashKey(made.Key)
	require.Equal(t, sum[:], keys[0].Hash)
	keys[0].Hash = nil
	require.NotContains(t, strings.Join([]string{keys[0].ID, keys[0].Name, keys[0].Prefix}, " "), made.Key[len(made.Prefix):])
	for _, try := range []string{made.Prefix, made.ID, string(sum[:]), made.Key[:len(made.Key)-1], made.Key + "0", strings.ToLower(made.Key)} {
		_, err := clientOf(t, d.url, try).Me(t.Context())
		require.Error(t, err, try)
	}
}

// TestAKeyHoldsOnAllNodes: made and revoked on one node, on another within a second; also
// when it was made on the database alone.
func TestAKeyHoldsOnAllNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	dsn := testkit.Postgres(t)
	var urls []string
	var dbs []*postgres.Store
	for range 2 {
		db, err := postgres.Open(t.Context(), dsn, postgres.Options{})
		require.NoError(t, err)
		e, err := engine.New(db, engine.Config{})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		over := make(chan error, 1)
		go func() { over <- e.Run(ctx) }()
		srv := httptest.NewServer(e.Handler(engine.HandlerConfig{}))
		t.Cleanup(func() {
			srv.Close()
			stop()
			require.NoError(t, <-over)
			require.NoError(t, db.Close())
		})
		urls, dbs = append(urls, srv.URL), append(dbs, db)
	}
	ctx := t.Context()
	made, err := clientOf(t, urls[0], "").APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "a", Scopes: []sendoff.Scope{"admin"}})
	require.NoError(t, err)
	first, second := clientOf(t, urls[0], made.Key), clientOf(t, urls[1], made.Key)
	within(t, "known to the other node", func() bool { _, err := second.Me(ctx); return err == nil })
	within(t, "the other node is closed", func() bool { _, err := clientOf(t, urls[1], "").Me(ctx); return err != nil })
	_, err = first.Me(ctx)
	require.NoError(t, err)

	beside := auth.NewKey()
	require.NoError(t, dbs[0].PutAPIKey(ctx, store.APIKey{ID: beside.ID, Namespace: 1, Name: "beside", Hash: beside.Hash[:], Scopes: int16(auth.Read)}))
	for _, url := range urls {
		within(t, "made on the database", func() bool { _, err := clientOf(t, url, beside.Text).Me(ctx); return err == nil })
	}
	require.NoError(t, second.APIKeys.Revoke(ctx, made.ID))
	for _, c := range []*sendoff.Client{first, second} {
		within(t, "revoked", func() bool { _, err := c.Me(ctx); return err != nil })
	}
	require.NoError(t, dbs[0].RevokeAPIKey(ctx, 0, beside.ID))
	for _, url := range urls {
		within(t, "revoked on the database", func() bool { _, err := clientOf(t, url, beside.Text).Me(ctx); return err != nil })
	}
}

// TestAKeyIsLookedUpInTheSameTime compares wrong keys that share more and more of a right
// one: nothing can be learned from how long a refusal takes.
func TestAKeyIsLookedUpInTheSameTime(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	b := open(t, engine.Config{})
	right := auth.NewKey()
	h := b.Handler(engine.HandlerConfig{APIKeys: []string{right.Text}})
	ask := func(key string) time.Duration {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/me", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		began := time.Now()
		h.ServeHTTP(w, r)
		took := time.Since(began)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		return took
	}
	other := auth.NewKey().Text
	near := right.Text[:len(right.Text)-1] + "!"
	far := "sendoff_" + other[8:]
	var times [2][]time.Duration
	for range 20_000 { // in turn, so that both see the same machine
		times[0] = append(times[0], ask(near))
		times[1] = append(times[1], ask(far))
	}
	for i := range times {
		slices.Sort(times[i])
	}
	a, c := times[0][len(times[0])/2], times[1][len(times[1])/2]
	require.InDelta(t, float64(a), float64(c), float64(max(a, c))*0.1, "medians of %v and %v", a, c)
}

func TestANamespaceIsHeldToItsQuota(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{APIKeys: []string{"k"}})
	ctx := t.Context()
	admin := clientOf(t, d.url, "k")
	key, err := admin.APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "n", Scopes: []sendoff.Scope{"enqueue", "operate", "read"}, Namespace: "acme"})
	require.NoError(t, err)
	submit := func(key, body string, n int) (accepted int) {
		for range n {
			code, h, got := d.call(t, "POST", "/v1/tasks", body, "Authorization", "Bearer "+key)
			if code == 201 {
				accepted++
				continue
			}
			require.Equal(t, []any{429, "quota_exceeded"}, []any{code, got["code"]}, got)
			require.NotEmpty(t, h.Get("Retry-After"))
		}
		return accepted
	}
	one := `{"url":"http://127.0.0.1:1","delay":"1h"}`
	set, err := admin.Namespaces.Set(ctx, "acme", sendoff.Quota{Rate: "5/m", Burst: 5})
	require.NoError(t, err)
	require.Equal(t, sendoff.Quota{Rate: "5/m", Burst: 5}, set.Quota)
	require.Equal(t, 5, submit(key.Key, one, 8))
	require.Equal(t, 8, submit("k", one, 8), "of another namespace")
	code, _, _ := d.call(t, "POST", "/task", `{"target":"http://127.0.0.1:1/"}`, "Authorization", "Bearer "+key.Key)
	require.Equal(t, 429, code)

	_, err = admin.Namespaces.Set(ctx, "acme", sendoff.Quota{Tasks: 7})
	require.NoError(t, err)
	require.Equal(t, 2, submit(key.Key, one, 6), "five are there")
	time.Sleep(2100 * time.Millisecond)
	require.Zero(t, submit(key.Key, one, 2), "counted anew")
	mine := clientOf(t, d.url, key.Key)
	for task, err := range mine.Tasks.List(ctx, sendoff.Filter{}) {
		require.NoError(t, err)
		_, err = mine.Tasks.Cancel(ctx, task.ID)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return submit(key.Key, one, 1) == 1 }, 10*time.Second, 100*time.Millisecond)
	_, err = admin.Namespaces.Set(ctx, "acme", sendoff.Quota{})
	require.NoError(t, err)
	require.Equal(t, 10, submit(key.Key, one, 10))
	all, err := admin.Namespaces.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "default"}, []string{all[0].Name, all[1].Name})
	for body, field := range map[string]string{`{"rate":"many"}`: "rate", `{"burst":5}`: "burst", `{"tasks":-1}`: "tasks", `{"bytes":-1}`: "bytes", `{"schedules":-1}`: "schedules"} {
		code, _, got := d.call(t, "PUT", "/v1/namespaces/acme", body)
		require.Equal(t, 422, code, body)
		require.Equal(t, field, got["errors"].([]any)[0].(map[string]any)["field"])
	}
	_, err = mine.Namespaces.List(ctx)
	require.Error(t, err)
}

// TestANamespaceIsHeldToItsBytesAndSchedules: small payloads and large ones, until they are
// deleted; what is changed is no further schedule.
func TestANamespaceIsHeldToItsBytesAndSchedules(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{APIKeys: []string{"k"}})
	ctx := t.Context()
	admin := clientOf(t, d.url, "k")
	key, err := admin.APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "n", Scopes: []sendoff.Scope{"enqueue", "operate", "read"}, Namespace: "acme"})
	require.NoError(t, err)
	ask := func(key, method, path, body string) (int, http.Header, map[string]any) {
		return d.call(t, method, path, body, "Authorization", "Bearer "+key)
	}
	submit := func(key string, size int) (id string) {
		code, h, got := ask(key, "POST", "/v1/tasks", `{"url":"http://127.0.0.1:1","delay":"1h","payload":"`+strings.Repeat("x", size-2)+`"}`)
		if code == 201 {
			return got["id"].(string)
		}
		require.Equal(t, []any{429, "quota_exceeded"}, []any{code, got["code"]}, got)
		require.Contains(t, got["detail"], "bytes, 5000 allowed")
		require.NotEmpty(t, h.Get("Retry-After"))
		return ""
	}
	first := submit(key.Key, 3000)
	require.NotEmpty(t, first)
	_, err = admin.Namespaces.Set(ctx, "acme", sendoff.Quota{Bytes: 5000, Schedules: 2})
	require.NoError(t, err)
	require.Empty(t, submit(key.Key, 2001), "what was there before counts")
	require.NotEmpty(t, submit(key.Key, 1000))
	require.NotEmpty(t, submit(key.Key, 1000))
	require.Empty(t, submit(key.Key, 3))
	require.NotEmpty(t, submit("k", 10_000), "of another namespace")
	code, _, got := ask(key.Key, "POST", "/v1/tasks", `{"url":"http://127.0.0.1:1","delay":"1h"}`)
	require.Equal(t, 201, code, got)
	mine := clientOf(t, d.url, key.Key)
	_, err = mine.Tasks.Cancel(ctx, first)
	require.NoError(t, err)
	require.Empty(t, submit(key.Key, 1000), "it is still stored")
	require.NoError(t, mine.Tasks.Delete(ctx, first))
	require.Eventually(t, func() bool { return submit(key.Key, 3000) != "" }, 30*time.Second, 100*time.Millisecond)

	const schedule = `{"every":"1h","task":{"url":"http://127.0.0.1:1"}}`
	for _, name := range []string{"a", "b", "a"} {
		code, _, got := ask(key.Key, "PUT", "/v1/schedules/"+name, schedule)
		require.Contains(t, []int{200, 201}, code, got)
	}
	for _, path := range []string{"/v1/schedules/c", "/v1/schedules/c?dry_run=true"} {
		code, h, got := ask(key.Key, "PUT", path, schedule)
		require.Equal(t, []any{429, "quota_exceeded"}, []any{code, got["code"]}, got)
		require.Contains(t, got["detail"], "schedules, 2 allowed")
		require.Empty(t, h.Get("Retry-After"), "time changes nothing")
	}
	code, _, got = ask("k", "PUT", "/v1/schedules/c", schedule)
	require.Equal(t, 201, code, got)
	require.NoError(t, mine.Schedules.Delete(ctx, "b"))
	code, _, got = ask(key.Key, "PUT", "/v1/schedules/c", schedule)
	require.Equal(t, 201, code, got)
}

// TestSchedulesStayWhenAServerIsClosed: those that were made without a key are there for the
// keys that are made then.
func TestSchedulesStayWhenAServerIsClosed(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	ctx := t.Context()
	require.NoError(t, d.Schedules().Declare(ctx, map[string]json.RawMessage{"declared": json.RawMessage(`{"every":"1h","task":{"url":"http://127.0.0.1:1"}}`)}))
	code, _, got := d.call(t, "PUT", "/v1/schedules/made", `{"every":"1h","task":{"url":"http://127.0.0.1:1"}}`)
	require.Equal(t, 201, code, got)
	key, err := clientOf(t, d.url, "").APIKeys.Create(ctx, sendoff.NewAPIKey{Name: "first", Scopes: []sendoff.Scope{"admin"}})
	require.NoError(t, err)
	var names []string
	for s, err := range clientOf(t, d.url, key.Key).Schedules.List(ctx) {
		require.NoError(t, err)
		names = append(names, s.Name)
	}
	require.Equal(t, []string{"declared", "made"}, names)
}
