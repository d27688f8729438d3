package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/server/route"
)

// needs is where the need of an operation is among its metadata.
const needs = "needs"

// routes puts the operations of huma on a mux whose routes say what they need.
type routes struct{ *route.Mux }

// Handle implements huma.Adapter. The descriptions of the API, which huma adds itself,
// are for whoever has a key.
func (m routes) Handle(op *huma.Operation, handler func(huma.Context)) {
	need, _ := op.Metadata[needs].(auth.Scope)
	if strings.HasPrefix(op.Path, "/openapi") {
		need = auth.AnyKey
	}
	m.HandleFunc(need, op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		handler(humago.NewContext(op, r, w))
	})
}

// describeScopes says of every operation what a key needs for it, as it stands on the
// mux, and panics when the two differ. The mux gets the name of each for the audit.
func describeScopes(doc *huma.OpenAPI, mux *route.Mux) {
	doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"key": {
		Type: "http", Scheme: "bearer", Description: "An API key; its scopes are " + strings.Join(auth.Scopes(), ", ") + ", and admin is all of them.",
	}}
	for path, item := range doc.Paths {
		for _, op := range operations(item) {
			need := mux.Need(op.Method + " " + path)
			if declared, _ := op.Metadata[needs].(auth.Scope); need == 0 || declared != need {
				panic(fmt.Sprintf("%s %s is described as needing %q, and needs %q", op.Method, path, declared, need))
			}
			mux.Name(op.Method+" "+path, op.OperationID)
			op.Extensions = map[string]any{"x-scope": need.Keyed().String()}
			if need&auth.Whole != 0 {
				op.Extensions["x-namespace"] = auth.DefaultNamespace
			}
			op.Security = []map[string][]string{{"key": need.Names()}}
		}
	}
}

func operations(item *huma.PathItem) (list []*huma.Operation) {
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
		if op != nil {
			list = append(list, op)
		}
	}
	return list
}

// shownTo leaves out of an answer what whoever asked may not see: without the scope
// payloads, the fields with the tag scope:"payloads". Where there was something, the
// field Redacted beside it says so.
func shownTo(ctx context.Context, v any) any {
	if v == nil || auth.May(ctx, auth.Payloads) {
		return v
	}
	shown := reflect.New(reflect.TypeOf(v)).Elem()
	shown.Set(reflect.ValueOf(v))
	redact(shown)
	return shown.Interface()
}

// redact empties the fields that carry payloads, in v and in all that it holds, which
// belongs to this answer alone.
func redact(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Elem().CanSet() {
			redact(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		if k := v.Type().Elem().Kind(); k == reflect.Struct || k == reflect.Pointer {
			for i := range v.Len() {
				redact(v.Index(i))
			}
		}
	case reflect.Struct:
		redactStruct(v)
	}
}

func redactStruct(v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		field := v.Field(i)
		switch {
		case !field.CanSet():
		case t.Field(i).Tag.Get("scope") != "payloads":
			redact(field)
		case !field.IsZero():
			field.SetZero()
			if mark := v.FieldByName("Redacted"); mark.IsValid() {
				mark.SetBool(true)
			}
		}
	}
}
