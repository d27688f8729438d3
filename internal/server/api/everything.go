package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
)

// Everything tells whether everything is paused.
type Everything struct {
	Namespace string `json:"namespace" doc:"In which it is: that of the key that asks."`
	Paused    bool   `json:"paused"`
	Since     string `json:"since,omitempty" format:"date-time" doc:"Since when it is."`
}

type everythingReply struct{ Body Everything }

func mountEverything(api huma.API, queues Queues) {
	for _, to := range []struct {
		verb, summary string
		paused        bool
	}{
		{"pause", "Pause everything in the namespace of the key: nothing is started from any queue, attempts under way go on, submissions are accepted", true},
		{"resume", "Resume everything that a pause of everything holds back; queues that are paused by themselves stay so", false},
	} {
		huma.Register(api, operation(auth.Operate, http.MethodPost, "/v1/"+to.verb, to.verb+"-everything", to.summary, http.StatusOK),
			func(ctx context.Context, _ *struct{}) (*everythingReply, error) {
				all, err := queues.PauseAll(ctx, to.paused)
				if err != nil {
					return nil, problemOf(err)
				}
				return &everythingReply{everythingView(ctx, all)}, nil
			})
	}
}

func everythingView(ctx context.Context, all operate.Everything) Everything {
	v := Everything{Namespace: auth.DefaultNamespace, Paused: all.Paused, Since: timeText(all.Since)}
	if p := auth.From(ctx); p != nil {
		v.Namespace = p.Namespace
	}
	return v
}
