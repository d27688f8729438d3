package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
)

// tenant is a namespace, and who asks in it.
type tenant struct {
	mux *route.Mux
	who auth.Principal
}

// newTenant makes a namespace with a key that may do everything in it.
func newTenant(t *testing.T, b *bundle, mux *route.Mux, name string) *tenant {
	t.Helper()
	n, err := b.db.EnsureNamespace(context.Background(), name)
	require.NoError(t, err)
	return &tenant{mux, auth.Principal{KeyID: "key of " + name, Name: name, NamespaceID: n.ID, Namespace: n.Name, Scopes: auth.Admin, Address: "192.0.2.1"}}
}

// ask sends a request, and returns status and answer.
func (n *tenant) ask(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	limit := 10 * time.Second
	if strings.HasPrefix(path, "/v1/events") { // a stream has no end
		limit = 20 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(auth.With(t.Context(), &n.who), limit)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	n.mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (n *tenant) made(t *testing.T, method, path, body string, headers ...string) map[string]any {
	t.Helper()
	code, text := n.ask(t, method, path, body, headers...)
	require.Less(t, code, 300, "%s %s: %s", method, path, text)
	var out map[string]any
	if text != "" {
		require.NoError(t, json.Unmarshal([]byte(text), &out))
	}
	return out
}

// canary is in everything that the other namespace holds, and in nothing that is asked.
const canary = "canary-x7"

// furnish fills a namespace with one of each, and returns the values by which they are
// named.
func (n *tenant) furnish(t *testing.T) (values []string) {
	post := func(body string, headers ...string) string {
		return n.made(t, "POST", "/v1/tasks", body, headers...)["id"].(string)
	}
	url := `"url":"http://127.0.0.1:1/` + canary + `","delay":"1h","labels":{"l":"` + canary + `","` + canary + `":"v"},"payload":"` + canary + `"`
	first := post(`{` + url + `,"name":"their-name","queue":"their-queue","group":"their-group"}`)
	number := fmt.Sprintf("%.0f", n.made(t, "GET", "/v1/tasks/"+first, "")["job"])
	post(`{"id":"their-id",` + url + `}`)
	post(`{` + url + `,"unique":{"key":"their-unique","on_conflict":"reject"}}`)
	post(`{`+url+`}`, "Idempotency-Key", "their-idempotency")
	held := post(`{` + url + `,"limits":[{"key":"their-limit","concurrency":1}],"order_key":"their-order","on_duplicate":"discard","duplicate_key":"their-duplicate"}`)
	follower := post(`{` + url + `,"depends_on":["their-id"]}`)
	function := post(`{"function":"their_function","endpoint":"http://127.0.0.1:1/` + canary + `","delay":"1h","payload":"` + canary + `"}`)
	over := post(`{` + url + `}`)
	n.made(t, "POST", "/v1/tasks/"+over+"/cancel", "")
	n.made(t, "PUT", "/v1/limits/their-limit", `{"concurrency":1}`)
	n.made(t, "PUT", "/v1/limits/their-other-limit", `{"concurrency":1}`)
	n.made(t, "PUT", "/v1/queues/their-empty-queue", `{"target":"http://127.0.0.1:1/`+canary+`"}`)
	n.made(t, "POST", "/v1/graphs", `{"name":"their-graph","description":"`+canary+`","jobs":{"A":{"run":["true"]}}}`)
	for _, name := range []string{"their-schedule", "their-second-schedule"} {
		n.made(t, "PUT", "/v1/schedules/"+name, `{"every":"1h","starts_at":"2100-01-01T00:00:00Z","task":{"url":"http://127.0.0.1:1/`+canary+`"}}`)
	}
	n.made(t, "PUT", "/v1/views/their-view", `{"path":"/tasks","query":"queue=`+canary+`"}`)
	key := n.made(t, "POST", "/v1/api-keys", `{"name":"`+canary+`","scopes":["read"]}`)["id"].(string)
	values = []string{
		first, number, "their-id", "their-name", "their-queue", "their-group", "their-unique", "their-idempotency", held, "their-limit", "their-order",
		"their-duplicate", follower, function, "their_function", over, "their-other-limit", "their-empty-queue", "their-graph", "their-schedule", "their-view", key, strings.ToUpper(first),
	}
	for _, list := range []string{"/v1/tasks?limit=1", "/v1/limits?limit=1", "/v1/schedules?limit=1", "/v1/audit?limit=1"} {
		values = append(values, n.made(t, "GET", list, "")["next_cursor"].(string))
	}
	return values
}

// failures has two groups of failures in a namespace, and returns the id of one and a cursor.
func (n *tenant) failures(t *testing.T, b *bundle) []string {
	for _, print := range []string{"their-failure-ab", "their-failure-cd"} {
		g := store.FailureGroup{Namespace: n.who.NamespaceID, Print: store.Hash([]byte(print)), Queue: "their-queue", Target: canary, Text: canary, FirstAt: 1, LastAt: 2, Count: 3}
		require.NoError(t, b.db.AddFailures(t.Context(), []store.FailureGroup{g}, store.KeepFailures))
	}
	page := n.made(t, "GET", "/v1/failures?limit=1", "")
	return []string{page["items"].([]any)[0].(map[string]any)["id"].(string), page["next_cursor"].(string)}
}

// state is all that a namespace shows of itself.
func (n *tenant) state(t *testing.T) string {
	var all []string
	for _, list := range []string{"/v1/tasks?limit=500", "/v1/limits?limit=500", "/v1/queues", "/v1/graphs", "/v1/schedules", "/v1/views", "/v1/audit?limit=500", "/v1/failures"} {
		_, text := n.ask(t, "GET", list, "")
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

// probe is a place in a request where a value of another namespace can stand.
type probe struct {
	name    string
	request func(value string) (method, path, body string, headers []string)
}

// document is what the test reads of the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		ID         string `json:"operationId"`
		Parameters []struct {
			Name   string         `json:"name"`
			In     string         `json:"in"`
			Schema map[string]any `json:"schema"`
		} `json:"parameters"`
		RequestBody *struct {
			Content map[string]struct {
				Schema map[string]any `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
}

// examples are bodies that are right, for what the schema cannot say.
var examples = map[string]string{
	"create-task": `{"url":"http://127.0.0.1:1","delay":"1h"}`, "create-tasks": `{"tasks":[{"url":"http://127.0.0.1:1","delay":"1h"}]}`,
	"set-limit": `{"concurrency":1}`, "set-queue": `{}`, "update-queue": `{"timeout":"30s"}`, "save-graph": `{"name":"mine","jobs":{"A":{"run":["true"]}}}`,
	"create-api-key": `{"name":"n","scopes":["read"]}`, "set-namespace": `{}`, "reset-endpoint": `{"endpoint":"http://127.0.0.1:1"}`, "start-graph-run": `{"graph":"mine"}`,
	"set-schedule": `{"every":"1h","task":{"url":"http://127.0.0.1:1"}}`, "mute-failure": `{"for":"1h"}`, "set-view": `{"path":"/tasks","query":"state=failed"}`,
	"complete-attempt": `{"result":1}`, "fail-attempt": `{"error":"e"}`, "heartbeat-attempt": `{"extend":"1m"}`, "progress-attempt": `{"done":1,"total":2}`,
}

// probes are all places of all operations: parameters of paths and queries, headers, and
// every field of the bodies, nested ones as well.
func probes(t *testing.T, doc *document) (list []probe) {
	for path, methods := range doc.Paths {
		for method, op := range methods {
			method := strings.ToUpper(method)
			body := examples[op.ID]
			fill := func(path, name, value string) string {
				path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
				return strings.NewReplacer("{id}", "nobody", "{name}", "nobody", "{key}", "nobody", "{command}", "alive", "{host}", "nobody", "{token}", "1").Replace(path)
			}
			for _, p := range op.Parameters {
				at := op.ID + " " + p.In + " " + p.Name
				switch p.In {
				case "path":
					list = append(list, probe{at, func(v string) (string, string, string, []string) { return method, fill(path, p.Name, v), body, nil }})
				case "query":
					if at == "create-task query wait" {
						continue // it names nothing, and a number is waited for
					}
					name := strings.ReplaceAll(p.Name, "KEY", "l")
					list = append(list, probe{at, func(v string) (string, string, string, []string) {
						return method, fill(path, "", "") + "?" + name + "=" + url.QueryEscape(v), body, nil
					}})
				case "header":
					list = append(list, probe{at, func(v string) (string, string, string, []string) {
						return method, fill(path, "", ""), body, []string{p.Name, v}
					}})
				}
			}
			if op.RequestBody == nil || body == "" {
				continue
			}
			schema := op.RequestBody.Content["application/json"].Schema
			for _, field := range fields(doc, schema, "", 0) {
				list = append(list, probe{op.ID + " body " + field, func(v string) (string, string, string, []string) {
					return method, fill(path, "", ""), with(t, body, field, v), nil
				}})
			}
		}
	}
	return list
}

// fields are the paths of all fields of a schema: "a.b", and "a[].b" within a list.
func fields(doc *document, schema map[string]any, place string, depth int) (list []string) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = doc.Components.Schemas[ref[strings.LastIndexByte(ref, '/')+1:]]
	}
	if depth > 4 {
		return nil
	}
	if items, ok := schema["items"].(map[string]any); ok {
		return append([]string{place + "[]"}, fields(doc, items, place+"[]", depth+1)...)
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if name == "$schema" {
			continue
		}
		at := strings.TrimPrefix(place+"."+name, ".")
		list = append(list, at)
		if depth > 0 && strings.HasPrefix(name, "on_") { // callbacks are tasks, which may have callbacks
			continue
		}
		list = append(list, fields(doc, properties[name].(map[string]any), at, depth+1)...)
	}
	return list
}

// with sets a field of a body to a value, whatever was there.
func with(t *testing.T, body, field, value string) string {
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &v))
	set(v, strings.Split(field, "."), value)
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func set(v map[string]any, path []string, value string) {
	name, list := strings.CutSuffix(path[0], "[]")
	var inner any = value
	if len(path) > 1 {
		below, _ := v[name].(map[string]any)
		if items, ok := v[name].([]any); ok && len(items) > 0 {
			below, _ = items[0].(map[string]any)
		}
		if below == nil {
			below = map[string]any{}
		}
		set(below, path[1:], value)
		inner = below
	}
	if list {
		inner = []any{inner}
	}
	v[name] = inner
}

// volatile is what differs from one answer to the next: ids, numbers and times.
var volatile = regexp.MustCompile(`revision \d+|(mine|other)-\d+|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z|"job":\d+|key_[0-9a-z]{16}|sendoff_[0-9A-Za-z]+|"seq":\d+|\d{10,}`)

// plain is an answer without the value that was asked for, and what differs anyway.
func plain(text, value string) string {
	for _, form := range []string{value, url.PathEscape(value), url.QueryEscape(value)} {
		text = strings.ReplaceAll(text, form, "VALUE")
	}
	return volatile.ReplaceAllString(strings.ReplaceAll(text, "VALUE", "0000"), "0000")
}

// unknownLike is a value of the same form that nobody has.
func unknownLike(value string) string {
	b := []byte(value)
	for i := range b {
		switch c := b[i]; {
		case c >= '0' && c <= '8' && i > len(b)/2:
			b[i]++
		case c >= 'a' && c <= 'e' && i > len(b)/2, c >= 'g' && c <= 'y', c >= 'G' && c <= 'Y' && i > len(b)/2:
			b[i]++
		}
	}
	return string(b)
}

// TestANamespaceIsNotSeenFromAnother puts every value by which something of one namespace
// is named into every place of every request of another one. The answer is that to a value
// which nobody has, nothing of the other is in it, and nothing there has changed. With the
// race detector, which makes it many times as slow, a tenth of the places are enough.
func TestANamespaceIsNotSeenFromAnother(t *testing.T) {
	for _, name := range []string{"theirs", auth.DefaultNamespace} {
		t.Run(name, func(t *testing.T) { notSeen(t, name) })
	}
}

func notSeen(t *testing.T, name string) {
	b := open(t, engine.Config{Roles: []engine.Role{engine.Accept}, AllowLoopback: true})
	defer b.db.Close()
	mux := engine.RoutesOf(b.Engine)
	theirs := newTenant(t, b, mux, name)
	values := append(theirs.furnish(t), theirs.failures(t, b)...)
	before := theirs.state(t)
	require.Contains(t, before, canary)
	_, text := theirs.ask(t, "GET", "/openapi.json", "")
	var doc document
	require.NoError(t, json.Unmarshal([]byte(text), &doc))

	cases := 0
	for i, p := range probes(t, &doc) {
		if underRace && i%10 != 0 {
			continue
		}
		mine := newTenant(t, b, mux, fmt.Sprintf("mine-%d", i)) // what a case before has made is not there
		other := newTenant(t, b, mux, fmt.Sprintf("other-%d", i))
		for _, value := range values {
			cases++
			nobodys := unknownLike(value)
			require.NotEqual(t, value, nobodys)
			method, path, body, headers := p.request(nobodys)
			wantCode, want := other.ask(t, method, path, body, headers...)
			method, path, body, headers = p.request(value)
			code, got := mine.ask(t, method, path, body, headers...)
			require.Equal(t, wantCode, code, "%s: %s %s %s\ngot %s\nwant %s", p.name, method, path, body, got, want)
			require.Equal(t, plain(want, nobodys), plain(got, value), "%s: %s %s %s", p.name, method, path, body)
			require.NotContains(t, got, canary, "%s: %s %s %s", p.name, method, path, body)
		}
	}
	require.True(t, underRace || cases >= 5000, "%d cases", cases)
	t.Logf("%d cases", cases)
	require.Equal(t, before, theirs.state(t), "nothing of the other namespace has changed")
}

// TestFunctionsOfAnotherNamespaceAreNotTold asks the door of Dispatch for a run of another
// namespace: with its id and its token, as whoever runs it would.
func TestFunctionsOfAnotherNamespaceAreNotTold(t *testing.T) {
	b := open(t, engine.Config{AllowLoopback: true})
	b.run(t)
	defer b.stop()
	mux := engine.RoutesOf(b.Engine)
	theirs, mine := newTenant(t, b, mux, "theirs"), newTenant(t, b, mux, "mine")
	within(t, "namespaces are known", func() bool { return engine.KnowsNamespace(b.Engine, mine.who.NamespaceID) })
	begun, end := make(chan struct{}), make(chan struct{})
	slow := app(t, func(w http.ResponseWriter, _ *http.Request) { close(begun); <-end })
	id := theirs.made(t, "POST", "/v1/tasks", fmt.Sprintf(`{"function":"f","endpoint":%q,"payload":%q}`, slow, canary))["id"].(string)
	<-begun
	defer close(end)
	nobody := accept.NewID().String()
	for procedure, body := range map[string]string{
		"/sendoff.v1.FunctionExtension/Checkpoint": `{"dispatchId":%q,"token":"1","append":{"segment":"eA=="}}`,
		"/sendoff.v1.FunctionExtension/Receive":    `{"dispatchId":%q,"token":"1","wait":"0.001s"}`,
		"/sendoff.v1.FunctionExtension/Wait":       `{"dispatchId":%q,"timeout":"0.001s"}`,
		"/sendoff.v1.FunctionExtension/SendSignal": `{"dispatchId":%q,"name":"s","value":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":"x"}}`,
	} {
		wantCode, want := mine.ask(t, "POST", procedure, fmt.Sprintf(body, nobody), "Content-Type", "application/json")
		code, got := mine.ask(t, "POST", procedure, fmt.Sprintf(body, id), "Content-Type", "application/json")
		require.GreaterOrEqual(t, code, 400, "%s: %s", procedure, got)
		require.Equal(t, wantCode, code, "%s: got %s, want %s", procedure, got, want)
		require.Equal(t, plain(want, nobody), plain(got, id), procedure)
		if procedure != "/sendoff.v1.FunctionExtension/Checkpoint" { // whoever runs it may
			code, got = theirs.ask(t, "POST", procedure, fmt.Sprintf(body, id), "Content-Type", "application/json")
			require.Equal(t, 200, code, "%s: %s", procedure, got)
		}
	}
}

// TestWhatATaskDoesBelongsToItsNamespace: a handler of this program submits a task, and
// whoever looks at it from elsewhere does not see it.
func TestWhatATaskDoesBelongsToItsNamespace(t *testing.T) {
	b := open(t, engine.Config{})
	made := make(chan string, 1)
	engine.Handle(b.Engine, "outer", func(ctx context.Context, _ string) error {
		r, err := b.Submit(ctx, engine.Task{Handler: "inner", Delay: time.Hour})
		made <- r.ID
		return err
	})
	engine.Handle(b.Engine, "inner", func(context.Context, string) error { return nil })
	b.run(t)
	defer b.stop()
	mux := engine.RoutesOf(b.Engine)
	theirs, mine := newTenant(t, b, mux, "theirs"), newTenant(t, b, mux, auth.DefaultNamespace)
	theirs.made(t, "POST", "/v1/tasks", `{"handler":"outer","payload":""}`)
	id := <-made
	theirs.made(t, "GET", "/v1/tasks/"+id, "")
	code, _ := mine.ask(t, "GET", "/v1/tasks/"+id, "")
	require.Equal(t, 404, code)
	_, list := mine.ask(t, "GET", "/v1/tasks", "")
	require.JSONEq(t, `{"items":[]}`, list)
}
