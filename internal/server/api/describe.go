package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// describe adds an operation that is not registered with huma to the document.
func describe[Request, Reply any](doc *huma.OpenAPI, op *huma.Operation, statuses ...string) {
	schemas := doc.Components.Schemas
	request := schemas.Schema(reflect.TypeFor[Request](), true, "")
	reply := schemas.Schema(reflect.TypeFor[Reply](), true, "")
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "")
	op.Parameters = []*huma.Param{{
		Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: "string"},
		Description: "The same request with the same key within 24 hours gets the same answer, with Idempotent-Replayed: true.",
	}}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: request}}}
	op.Responses = map[string]*huma.Response{}
	for _, status := range statuses {
		if status < "300" {
			op.Responses[status] = &huma.Response{Description: "Accepted", Content: map[string]*huma.MediaType{"application/json": {Schema: reply}}}
		} else {
			op.Responses[status] = &huma.Response{Description: "Refused", Content: map[string]*huma.MediaType{problemType: {Schema: problem}}}
		}
	}
	doc.AddOperation(op)
}
