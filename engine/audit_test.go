package engine_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/auth"
)

// acted are requests that do each action, on what there is: {waiting} and the like are ids
// of tasks in such a state.
var acted = map[string]struct{ method, path, body, result string }{
	"cancel-task":         {"POST", "/v1/tasks/{waiting}/cancel", "", "ok"},
	"retry-task":          {"POST", "/v1/tasks/{ended}/retry", "", "ok"},
	"run-task":            {"POST", "/v1/tasks/{waiting}/run?ignore_limits=true", "", "ok"},
	"change-task":         {"PATCH", "/v1/tasks/{waiting}", `{"delay":"2h"}`, "ok"},
	"delete-task":         {"DELETE", "/v1/tasks/{ended}", "", "ok"},
	"restart-task":        {"POST", "/v1/tasks/{function}/restart", "", "ok"},
	"pause-everything":    {"POST", "/v1/pause", "", "ok"},
	"resume-everything":   {"POST", "/v1/resume", "", "ok"},
	"pause-queue":         {"POST", "/v1/queues/mail/pause", "", "ok"},
	"resume-queue":        {"POST", "/v1/queues/mail/resume", "", "ok"},
	"purge-queue":         {"POST", "/v1/queues/mail/purge", "", "ok"},
	"set-queue":           {"PUT", "/v1/queues/mail", `{"timeout":"30s"}`, "ok"},
	"update-queue":        {"PATCH", "/v1/queues/mail", `{"timeout":"31s"}`, "ok"},
	"delete-queue":        {"DELETE", "/v1/queues/empty", "", "ok"},
	"set-limit":           {"PUT", "/v1/limits/l", `{"concurrency":1}`, "ok"},
	"delete-limit":        {"DELETE", "/v1/limits/l", "", "ok"},
	"save-graph":          {"POST", "/v1/graphs", `{"name":"g","jobs":{"A":{"run":["true"]}}}`, "ok"},
	"delete-graph":        {"DELETE", "/v1/graphs/g", "", "ok"},
	"reset-endpoint":      {"POST", "/v1/endpoints/reset", `{"endpoint":"http://127.0.0.1:1"}`, "404"},
	"pause-endpoint":      {"POST", "/v1/endpoints/127.0.0.1:1/pause", "", "ok"},
	"resume-endpoint":     {"POST", "/v1/endpoints/127.0.0.1:1/resume", "", "ok"},
	"probe-endpoint":      {"POST", "/v1/endpoints/nobody.example/probe", "", "404"},
	"undrain-node":        {"POST", "/v1/nodes/00000000-0000-7000-8000-000000000000/undrain", "", "404"},
	"drain-node":          {"POST", "/v1/nodes/00000000-0000-7000-8000-000000000000/drain", "", "404"},
	"replace-worker":      {"POST", "/v1/workers/nobody/replace", "", "404"},
	"create-api-key":      {"POST", "/v1/api-keys", `{"name":"n","scopes":["read"]}`, "ok"},
	"set-namespace":       {"PUT", "/v1/namespaces/n", `{"rate":"10/s"}`, "ok"},
	"revoke-api-key":      {"DELETE", "/v1/api-keys/{made}", "", "ok"},
	"rotate-signing-keys": {"POST", "/v1/signing-keys/rotate", "{}", "409"},
	"control":             {"POST", "/v1/control/alive", "{}", "ok"},
	"cancel-graph-run":    {"POST", "/v1/graph-runs/x/cancel", "", "404"},
	"pause-graph-run":     {"POST", "/v1/graph-runs/x/pause", "", "404"},
	"resume-graph-run":    {"POST", "/v1/graph-runs/x/resume", "", "404"},
	"act-on-tasks":        {"POST", "/v1/tasks/bulk", `{"action":"retry","filter":{"queue":"nope"}}`, "ok"},
	"pause-action":        {"POST", "/v1/actions/x/pause", "", "404"},
	"resume-action":       {"POST", "/v1/actions/x/resume", "", "404"},
	"abort-action":        {"POST", "/v1/actions/x/abort", "", "404"},
	"undo-action":         {"POST", "/v1/actions/x/undo", "", "404"},
	"set-schedule":        {"PUT", "/v1/schedules/s", `{"every":"1h","task":{"url":"http://127.0.0.1:1"}}`, "ok"},
	"pause-schedule":      {"POST", "/v1/schedules/s/pause", "", "ok"},
	"resume-schedule":     {"POST", "/v1/schedules/s/resume", "", "ok"},
	"run-schedule":        {"POST", "/v1/schedules/s/run", "", "ok"},
	"reset-schedule":      {"POST", "/v1/schedules/x/reset", "", "404"},
	"delete-schedule":     {"DELETE", "/v1/schedules/s", "", "ok"},
	"set-view":            {"PUT", "/v1/views/v", `{"path":"/tasks","query":"state=failed"}`, "ok"},
	"delete-view":         {"DELETE", "/v1/views/v", "", "ok"},
	"mute-failure":        {"POST", "/v1/failures/x/mute", `{"for":"1h"}`, "404"},
	"retry-graph-run":     {"POST", "/v1/graph-runs/x/retry", "", "404"},
}

// TestEveryActionIsRecorded does everything that an operator can, and looks for its
// record: a new route of that sort has to be put into the table.
func TestEveryActionIsRecorded(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}, Control: func(string, json.RawMessage) json.RawMessage { return json.RawMessage("{}") }}, engine.HandlerConfig{APIKeys: []string{"k"}})
	mux := engine.RoutesOf(d.Engine)
	seen := 0
	for _, pattern := range mux.Patterns() {
		action := mux.Acts(pattern)
		if action == "" {
			continue
		}
		seen++
		req, known := acted[action]
		require.True(t, known, "%s (%s) is not in the table of this test", action, pattern)
		path := strings.NewReplacer(
			"{waiting}", submit(t, d, `{"url":"http://127.0.0.1:1","delay":"1h"}`), "{ended}", ended(t, d), "{function}", submit(t, d, `{"function":"f","endpoint":"http://127.0.0.1:1"}`),
		).Replace(req.path)
		switch action {
		case "delete-queue":
			d.call(t, "PUT", "/v1/queues/empty", "{}")
		case "delete-limit":
			d.call(t, "PUT", "/v1/limits/l", `{"concurrency":1}`)
		case "delete-schedule", "pause-schedule", "resume-schedule", "run-schedule":
			d.call(t, "PUT", "/v1/schedules/s", acted["set-schedule"].body)
		case "delete-view":
			d.call(t, "PUT", "/v1/views/v", acted["set-view"].body)
		case "delete-graph":
			d.call(t, "POST", "/v1/graphs", acted["save-graph"].body)
		case "revoke-api-key":
			_, _, made := d.call(t, "POST", "/v1/api-keys", acted["create-api-key"].body)
			path = "/v1/api-keys/" + made["id"].(string)
		case "purge-queue", "pause-queue", "resume-queue", "update-queue":
			submit(t, d, `{"url":"http://127.0.0.1:1","queue":"mail"}`)
			submit(t, d, `{"url":"http://127.0.0.1:1","queue":"mail"}`)
		}
		before := recorded(t, d, action)
		code, _, answer := d.call(t, req.method, path, req.body, "Sendoff-Reason", "because of "+action)
		require.Equal(t, req.result == "ok", code < 300, "%s: %d %v", action, code, answer)
		rows := recorded(t, d, action)
		require.Len(t, rows, len(before)+1, action)
		got := rows[0]
		require.Equal(t, req.result, got["result"], got)
		require.Equal(t, "because of "+action, got["reason"])
		require.Equal(t, map[string]any{"name": "--api-keys", "address": "127.0.0.1"}, got["by"])
		if action == "purge-queue" {
			require.Equal(t, answer["purged"], got["count"])
		}
		if strings.Contains(pattern, "{id}") {
			require.Equal(t, strings.Split(path, "/")[3], strings.Split(got["target"].(string)+"?", "?")[0])
		}
	}
	require.Equal(t, len(acted), seen, "an action of the table is no route any more")
}

func submit(t *testing.T, d *door, body string) string {
	t.Helper()
	code, _, got := d.call(t, "POST", "/v1/tasks", body)
	require.Equal(t, 201, code, got)
	return got["id"].(string)
}

func ended(t *testing.T, d *door) string {
	id := submit(t, d, `{"url":"http://127.0.0.1:1"}`)
	code, _, got := d.call(t, "POST", "/v1/tasks/"+id+"/cancel", "")
	require.Equal(t, 200, code, got)
	return id
}

func recorded(t *testing.T, d *door, action string) (rows []map[string]any) {
	t.Helper()
	code, _, page := d.call(t, "GET", "/v1/audit?limit=500&action="+action, "")
	require.Equal(t, 200, code, page)
	for _, item := range page["items"].([]any) {
		rows = append(rows, item.(map[string]any))
	}
	return rows
}

// TestSubmissionsAreNoActions: nothing is added to what is done a thousand times a second.
func TestSubmissionsAreNoActions(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	submit(t, d, `{"url":"http://127.0.0.1:1"}`)
	d.call(t, "POST", "/v1/tasks/batch", `{"tasks":[{"url":"http://127.0.0.1:1"}]}`)
	_, _, page := d.call(t, "GET", "/v1/audit", "")
	require.Empty(t, page["items"])
}

func TestRefusalsAreRecordedOnceASecond(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{APIKeys: []string{"k"}})
	for range 50 {
		code, _, _ := d.call(t, "POST", "/v1/queues/default/pause", "", "Authorization", "Bearer wrong")
		require.Equal(t, 401, code)
	}
	mux := engine.RoutesOf(d.Engine)
	for range 50 {
		p := &auth.Principal{KeyID: "id", Name: "reader", Namespace: "default", Scopes: auth.Read, Address: "192.0.2.7"}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, requestTo(auth.With(t.Context(), p), "POST /v1/queues/x/pause"))
		require.Equal(t, 403, w.Code)
	}
	var rows []any
	require.Eventually(t, func() bool {
		_, _, page := d.call(t, "GET", "/v1/audit?action=refused", "", "Authorization", "Bearer k")
		rows = page["items"].([]any)
		n := 0.0
		for _, row := range rows {
			n += row.(map[string]any)["count"].(float64)
		}
		return n == 100
	}, 5*time.Second, 50*time.Millisecond)
	require.LessOrEqual(t, len(rows), 6, "a row a second for each key and address")
	text := fmt.Sprint(rows)
	require.Contains(t, text, "reason:operate")
	require.Contains(t, text, "name:reader")
	require.Contains(t, text, "result:unauthenticated")
	require.NotContains(t, text, "wrong", "no key is written down, right or wrong")
}

// TestTheAuditIsPagedAndSealed: the schedule room seals it, and the chain is looked through.
func TestTheAuditIsPagedAndSealed(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for i := range 7 {
		d.call(t, "PUT", fmt.Sprintf("/v1/limits/l%d", i), `{"concurrency":1}`)
	}
	var targets []string
	cursor := ""
	for {
		_, _, page := d.call(t, "GET", "/v1/audit?limit=3&action=set-limit&cursor="+cursor, "")
		for _, item := range page["items"].([]any) {
			targets = append(targets, item.(map[string]any)["target"].(string))
		}
		if cursor, _ = page["next_cursor"].(string); cursor == "" {
			break
		}
	}
	require.Equal(t, []string{"l6", "l5", "l4", "l3", "l2", "l1", "l0"}, targets)
	_, _, one := d.call(t, "GET", "/v1/audit?target=l3&actor=anybody&after=2020-01-01T00:00:00Z", "")
	require.Len(t, one["items"], 1)
	_, _, none := d.call(t, "GET", "/v1/audit?before=2020-01-01T00:00:00Z", "")
	require.Empty(t, none["items"])
	code, _, _ := d.call(t, "GET", "/v1/audit?cursor=x", "")
	require.Equal(t, 422, code)
	require.Eventually(t, func() bool {
		_, _, chain := d.call(t, "GET", "/v1/audit/chain", "")
		return chain["ok"] == true && chain["rows"] == 7.0 && chain["open"] == 0.0 && chain["head"] != nil
	}, 10*time.Second, 100*time.Millisecond)
}

// TestTheAuditSaysWhatSettingsWereAndAre: as far as they differ, by the names of the API, and
// of what tasks carry nothing that could be read.
func TestTheAuditSaysWhatSettingsWereAndAre(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{APIKeys: []string{"k"}})
	id := submit(t, d, `{"url":"http://127.0.0.1:1","run_at":"2100-01-01T00:00:00Z","priority":3,"labels":{"a":"b"},"payload":"secret-1"}`)
	for _, tt := range []struct {
		action, method, path, body string
		before, after              map[string]any // nil = the field is absent
	}{
		{"set-queue", "PUT", "/v1/queues/q", `{"concurrency":5,"timeout":"30s","retry":{"max_attempts":3,"jitter":0}}`,
			nil, map[string]any{"concurrency": 5.0, "timeout": "30s", "retry.max_attempts": 3.0, "retry.jitter": 0.0}},
		{"update-queue", "PATCH", "/v1/queues/q", `{"concurrency":null,"timeout":"31s","rate":"5/m"}`,
			map[string]any{"concurrency": 5.0, "timeout": "30s"}, map[string]any{"timeout": "31s", "rate": "5/m"}},
		{"update-queue", "PATCH", "/v1/queues/none", `{"timeout":"31s"}`, nil, nil},
		{"pause-queue", "POST", "/v1/queues/q/pause", "", map[string]any{"paused": false}, map[string]any{"paused": true}},
		{"delete-queue", "DELETE", "/v1/queues/q", "", map[string]any{"timeout": "31s", "rate": "5/m", "retry.max_attempts": 3.0, "retry.jitter": 0.0}, nil},
		{"set-limit", "PUT", "/v1/limits/l", `{"concurrency":1}`, nil, map[string]any{"concurrency": 1.0, "paused": false}},
		{"set-limit", "PUT", "/v1/limits/l", `{"rate":"100/s","paused":true}`,
			map[string]any{"concurrency": 1.0, "paused": false}, map[string]any{"rate": "100/s", "burst": 1.0, "paused": true}},
		{"delete-limit", "DELETE", "/v1/limits/l", "", map[string]any{"rate": "100/s", "burst": 1.0, "paused": true}, nil},
		{"delete-limit", "DELETE", "/v1/limits/l", "", nil, nil},
		{"set-schedule", "PUT", "/v1/schedules/s", `{"every":"1h","task":{"url":"http://127.0.0.1:1/a","payload":"secret-2"}}`, nil,
			map[string]any{"every": "1h0m0s", "paused": false, "task.url": "http://127.0.0.1:1/a", "task.payload": "10 bytes, sha256 d9d0a3e1c5b9f8c4..."}},
		{"set-schedule", "PUT", "/v1/schedules/s", `{"every":"2h","task":{"url":"http://127.0.0.1:1/a","payload":"secret-2"}}`,
			map[string]any{"every": "1h0m0s"}, map[string]any{"every": "2h0m0s"}},
		{"pause-schedule", "POST", "/v1/schedules/s/pause", "", map[string]any{"paused": false}, map[string]any{"paused": true}},
		{"change-task", "PATCH", "/v1/tasks/" + id, `{"run_at":null,"priority":4,"queue":"other","labels":{"a":null,"c":"d"},"payload":"secret-3"}`,
			map[string]any{"run_at": "2100-01-01T00:00:00Z", "priority": 3.0, "queue": "default", "labels.a": "b", "payload": "10 bytes, sha256"},
			map[string]any{"priority": 4.0, "queue": "other", "labels.c": "d", "payload": "10 bytes, sha256"}},
		{"set-namespace", "PUT", "/v1/namespaces/default", `{"rate":"1000/s"}`, nil, map[string]any{"rate": "1000/s"}},
		{"set-view", "PUT", "/v1/views/v", `{"path":"/tasks","query":"state=failed"}`, nil, map[string]any{"path": "/tasks", "query": "state=failed"}},
		{"delete-view", "DELETE", "/v1/views/v", "", map[string]any{"path": "/tasks", "query": "state=failed"}, nil},
		{"cancel-task", "POST", "/v1/tasks/" + id + "/cancel", "", nil, nil},
	} {
		d.call(t, tt.method, tt.path, tt.body)
		got := recorded(t, d, tt.action)[0]
		for field, want := range map[string]map[string]any{"before": tt.before, "after": tt.after} {
			said, _ := got[field].(map[string]any)
			for name, v := range said { // a hash is one
				if text, is := v.(string); is && strings.Contains(text, "sha256") {
					require.NotContains(t, text, "secret")
					said[name], want[name] = "hash", "hash"
				}
			}
			require.Equal(t, want, said, "%s of %s %s: %v", field, tt.method, tt.path, got)
		}
	}
	_, _, state := d.call(t, "GET", "/v1/audit/chain", "")
	require.Equal(t, true, state["ok"])
}
