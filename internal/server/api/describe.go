package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// describeProblems says of every operation how it answers errors, and adds what
// huma cannot know of the listing.
func describeProblems(doc *huma.OpenAPI) {
	schema := doc.Components.Schemas.Schema(reflect.TypeFor[problem.Problem](), true, "")
	for _, path := range doc.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Patch, path.Delete} {
			if op == nil {
				continue
			}
			for status, answer := range op.Responses {
				if status == "default" || status >= "400" {
					answer.Content = map[string]*huma.MediaType{problem.ContentType: {Schema: schema}}
				}
			}
		}
	}
	describeHealth(doc)
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	list := doc.Paths["/v1/tasks"].Get
	list.Parameters = append(list.Parameters, &huma.Param{
		Name: "label.KEY", In: "query", Schema: &huma.Schema{Type: "string"}, Description: "The label KEY has this value; repeatable with other keys.",
	})
}

// describe adds an operation that is not registered with huma to the document.
func describe[Request, Reply any](doc *huma.OpenAPI, op *huma.Operation, statuses ...string) {
	schemas := doc.Components.Schemas
	request := schemas.Schema(reflect.TypeFor[Request](), true, "")
	reply := schemas.Schema(reflect.TypeFor[Reply](), true, "")
	schema := schemas.Schema(reflect.TypeFor[problem.Problem](), true, "")
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: request}}}
	op.Responses = map[string]*huma.Response{}
	for _, status := range statuses {
		if status < "300" {
			op.Responses[status] = &huma.Response{Description: "Accepted", Content: map[string]*huma.MediaType{"application/json": {Schema: reply}}}
		} else {
			op.Responses[status] = &huma.Response{Description: "Refused", Content: map[string]*huma.MediaType{problem.ContentType: {Schema: schema}}}
		}
	}
	doc.AddOperation(op)
}
