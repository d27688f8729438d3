package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	dispatchv1 "github.com/sendoff-dev/sendoff/gen/dispatch/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/auth"
)

// requestTo makes a request that a pattern matches.
func requestTo(ctx context.Context, pattern string) *http.Request {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		method, path = "POST", pattern
	}
	path = strings.NewReplacer("{$}", "", "{", "", "}", "").Replace(path)
	return httptest.NewRequestWithContext(ctx, method, path, strings.NewReader("{}"))
}

// TestEveryRouteIsOpenToItsScopesAlone asks every route of every door with every set of
// scopes: what is refused, and only that, is what the route says it needs.
func TestEveryRouteIsOpenToItsScopesAlone(t *testing.T) {
	b := open(t, engine.Config{})
	b.run(t)
	defer b.stop()
	mux := engine.RoutesOf(b.Engine)
	patterns := mux.Patterns()
	require.Greater(t, len(patterns), 55)
	for _, pattern := range patterns {
		need := mux.Need(pattern)
		for scopes := range auth.Admin << 1 {
			for _, namespace := range []string{"default", "other"} {
				if namespace == "other" && need&auth.Whole == 0 {
					continue
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
				p := &auth.Principal{Scopes: scopes, Namespace: namespace}
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, requestTo(auth.With(ctx, p), pattern))
				cancel()
				refused := need&auth.Public == 0 && (p.Lacks(need) != 0 || need&auth.Whole != 0 && namespace != "default")
				require.Equal(t, refused, w.Code == http.StatusForbidden, "%s needs %s, asked with %s of %s: %d %s", pattern, need, scopes, namespace, w.Code, w.Body)
			}
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, requestTo(t.Context(), pattern))
		require.Equal(t, need&auth.Public == 0, w.Code == http.StatusUnauthorized, "%s without a key: %d", pattern, w.Code)
	}
}

// TestWhatAScopeOpens is the list that docs/access.md tells: a route that moves from one
// scope to another moves here as well.
func TestWhatAScopeOpens(t *testing.T) {
	mux := engine.RoutesOf(open(t, engine.Config{}).Engine)
	var public []string
	for _, pattern := range mux.Patterns() {
		need := mux.Need(pattern)
		method, path, _ := strings.Cut(pattern, " ")
		switch {
		case need&auth.Public != 0:
			public = append(public, pattern)
		case pattern == "GET /tasks/new":
			require.NotZero(t, need&auth.Enqueue, "%s asks for what it makes", pattern)
		case method == http.MethodGet && need.Keyed() != 0:
			require.NotZero(t, need&(auth.Read|auth.Payloads|auth.Admin), "%s only shows", pattern)
		case strings.HasPrefix(path, "/v1/") && need.Keyed() != 0:
			require.Zero(t, need&(auth.Read|auth.Payloads), "%s changes something", pattern)
		}
	}
	require.Equal(t, []string{"GET /.well-known/sendoff-keys", "GET /assets/{hash}/{file}", "GET /livez", "GET /login", "GET /ping", "GET /readyz", "POST /login"}, public)
}

// TestEveryProcedureHasAScope looks the procedures up in their descriptors.
func TestEveryProcedureHasAScope(t *testing.T) {
	mux := engine.RoutesOf(open(t, engine.Config{}).Engine)
	for _, file := range []protoreflect.FileDescriptor{sdkv1.File_dispatch_sdk_v1_dispatch_proto, dispatchv1.File_dispatch_v1_signing_key_proto, sendoffv1.File_sendoff_v1_function_proto} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				procedure := fmt.Sprintf("/%s/%s", service.FullName(), service.Methods().Get(j).Name())
				require.NotZero(t, mux.Need(procedure), procedure)
			}
		}
	}
}

// TestTheOpenAPIDocumentSaysWhatAKeyNeeds compares the document with the routes.
func TestTheOpenAPIDocumentSaysWhatAKeyNeeds(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	_, _, doc := d.call(t, "GET", "/openapi.json", "")
	mux := engine.RoutesOf(d.Engine)
	for path, methods := range doc["paths"].(map[string]any) {
		for method, op := range methods.(map[string]any) {
			op := op.(map[string]any)
			need := mux.Need(strings.ToUpper(method) + " " + path)
			require.Equal(t, need.Keyed().String(), op["x-scope"], "%s %s", method, path)
			require.Len(t, op["security"], 1)
		}
	}
}

// TestWithoutTheScopePayloadsNothingCarriedIsShown looks for a text that is in all that a
// task carries and brings back.
func TestWithoutTheScopePayloadsNothingCarriedIsShown(t *testing.T) {
	const canary = "canary-7381"
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	url := app(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Answer", canary)
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(canary))
	})
	_, _, made := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"url":%q,"payload":%q,"headers":{"X-Mine":%q},"unique":{"key":"k","window":"1h"}}`, url, canary, canary))
	id := made["id"].(string)
	_, _, ended := d.call(t, "GET", "/v1/tasks/"+id+"?wait=5s", "")
	require.Equal(t, "failed", ended["state"])
	mux := engine.RoutesOf(d.Engine)
	ask := func(scopes auth.Scope, method, path, body string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(auth.With(t.Context(), &auth.Principal{Scopes: scopes, Namespace: "default"}), method, path, strings.NewReader(body))
		mux.ServeHTTP(w, r)
		require.Less(t, w.Code, 400, "%s %s: %s", method, path, w.Body)
		return w.Body.String()
	}
	for _, path := range []string{"/v1/tasks/" + id, "/v1/tasks/" + id + "/attempts"} {
		shown := ask(auth.Read|auth.Payloads, "GET", path, "")
		require.Contains(t, shown, canary)
		require.NotContains(t, shown, `"redacted"`)
	}
	again := fmt.Sprintf(`{"url":%q,"unique":{"key":"k","window":"1h"}}`, url)
	for _, shown := range []string{
		ask(auth.Read, "GET", "/v1/tasks/"+id, ""), ask(auth.Read, "GET", "/v1/tasks/"+id+"/attempts", ""), ask(auth.Read, "GET", "/v1/tasks", ""),
		ask(auth.Enqueue, "POST", "/v1/tasks", again), ask(auth.Enqueue, "POST", "/v1/tasks/batch", `{"tasks":[`+again+`]}`), ask(auth.Operate, "POST", "/v1/tasks/"+id+"/retry", ""),
	} {
		require.NotContains(t, shown, canary)
		if strings.Contains(shown, `"attempts":1`) || strings.Contains(shown, `"outcome"`) {
			require.Contains(t, shown, `"redacted":true`)
		}
	}
}

// TestNoRouteTakesAWriteFromAnotherSite asks every route that changes something as a page
// of another site would have a browser do it.
func TestNoRouteTakesAWriteFromAnotherSite(t *testing.T) {
	b := open(t, engine.Config{})
	h := b.Handler(engine.HandlerConfig{})
	asked := 0
	for _, pattern := range engine.RoutesOf(b.Engine).Patterns() {
		for _, header := range [][2]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
			r := requestTo(t.Context(), pattern)
			if r.Method == http.MethodGet {
				continue
			}
			asked++
			r.Header.Set(header[0], header[1])
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, http.StatusForbidden, w.Code, "%s with %s: %s", pattern, header[0], header[1])
		}
	}
	require.Greater(t, asked, 100)
}
