package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// carried are the names under which an answer shows what a task carries or brings back.
var carried = []string{"payload", "payload_base64", "headers", "body", "body_base64", "result", "output", "error", "failure", "last_error", "definition"}

// shows are fields of these names that show nothing of the kind, with the reason.
var shows = map[string]string{
	"BatchItem.error": "it is a problem of the request",
	"Phases.body":     "it is how long it took to come",
}

// TestWhatTasksCarryNeedsTheScopePayloads looks at the fields of all answers by name: a
// new one cannot be forgotten.
func TestWhatTasksCarryNeedsTheScopePayloads(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, reply := range []any{
		taskReply{}, listReply{}, attemptsReply{}, dependenciesReply{}, treeReply{}, stepsReply{}, BatchReply{}, graphRunReply{}, graphCallsReply{}, graphRunsReply{}, graphRunMade{},
		graphReply{}, graphsReply{}, queueReply{}, queuesReply{}, statsReply{}, limitReply{}, limitsReply{}, endpointsReply{}, workersReply{}, nodesReply{},
	} {
		eachStruct(reflect.TypeOf(reply), seen, func(s reflect.Type) {
			for i := range s.NumField() {
				f := s.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if !slices.Contains(carried, name) || shows[s.Name()+"."+name] != "" {
					continue
				}
				require.Equal(t, "payloads", f.Tag.Get("scope"), "%s.%s: show it to keys with that scope alone", s, f.Name)
				_, marked := s.FieldByName("Redacted")
				require.True(t, marked, "%s has no field Redacted, which says that something was left out", s)
			}
		})
	}
	require.Greater(t, len(seen), 20)
}

func eachStruct(t reflect.Type, seen map[reflect.Type]bool, do func(reflect.Type)) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		eachStruct(t.Elem(), seen, do)
	case reflect.Struct:
		if seen[t] || t == reflect.TypeFor[problem.Problem]() || t == reflect.TypeFor[FunctionError]() || t == reflect.TypeFor[GraphError]() {
			return
		}
		seen[t] = true
		do(t)
		for i := range t.NumField() {
			eachStruct(t.Field(i).Type, seen, do)
		}
	}
}

func TestRedactionReachesWhatIsInside(t *testing.T) {
	secret := json.RawMessage(`"secret"`)
	var list listReply
	list.Body.Items = []Task{{ID: "1", Payload: secret, LastError: "secret"}, {ID: "2"}}
	message := "secret"
	run := &GraphRun{ID: "r", Jobs: []GraphJob{{Name: "A", Result: secret}}, Cleanups: []GraphCleanup{{Message: &message}}, Error: &GraphError{Message: "secret"}}
	dep := dependenciesReply{}
	dep.Body.Items = []Dependency{{ID: "d", Attempt: &Attempt{Body: "secret", Number: 1}}}
	batch := &BatchReply{Items: []BatchItem{{Task: &Task{ID: "b", Headers: map[string]string{"a": "secret"}}}}}
	ctx := auth.With(t.Context(), &auth.Principal{Scopes: auth.Read})
	for _, v := range []any{list.Body, run, dep.Body, batch} {
		b, err := json.Marshal(shownTo(ctx, v))
		require.NoError(t, err)
		require.NotContains(t, string(b), "secret")
		require.Contains(t, string(b), `"redacted":true`)
	}
	plain, err := json.Marshal(shownTo(ctx, Task{ID: "2"}))
	require.NoError(t, err)
	require.NotContains(t, string(plain), "redacted", "nothing was left out")
}
