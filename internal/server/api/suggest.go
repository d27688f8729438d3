package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

// Suggest knows values by which tasks can be selected.
type Suggest interface {
	Values(ctx context.Context, field, prefix string) ([]string, error)
}

type suggestInput struct {
	Field  string `query:"field" required:"true" doc:"A filter of GET /v1/tasks that is tested for a value, such as queue, target_host or label.tenant; label for names of labels."`
	Prefix string `query:"prefix" maxLength:"255" doc:"How the values begin."`
}

type suggestReply struct {
	Body struct {
		Items []string `json:"items" doc:"At most 20, in order."`
	}
}

func mountSuggest(api huma.API, suggest Suggest) {
	get(api, "/v1/suggest", "suggest-values", "Values of a filter, for completion: of names that are kept, and else of the newest 500 tasks", func(ctx context.Context, in *suggestInput) (*suggestReply, error) {
		values, err := suggest.Values(ctx, in.Field, in.Prefix)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &suggestReply{}
		out.Body.Items = values
		return out, nil
	})
}
