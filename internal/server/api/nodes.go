package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
)

type nodesReply struct {
	Body struct {
		Items []Node `json:"items"`
	}
}

type nodeReply struct{ Body Node }

type nodeInput struct {
	ID string `path:"id" doc:"Id of the node, as it is listed."`
}

func mountNodes(api huma.API, cfg Config) {
	getWith(api, auth.Read|auth.Whole, "/v1/nodes", "list-nodes", "List the nodes that are alive", func(ctx context.Context, _ *struct{}) (*nodesReply, error) {
		all, err := cfg.Nodes(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		out := &nodesReply{}
		out.Body.Items = make([]Node, len(all))
		for i := range all {
			out.Body.Items[i] = nodeView(&all[i])
		}
		return out, nil
	})
	mountDrain(api, &cfg, true, operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/nodes/{id}/drain", "drain-node",
		"Have a node claim nothing more until that is taken back or it is started anew: it finishes what it runs, and still accepts and schedules", http.StatusOK))
	mountDrain(api, &cfg, false, operation(auth.Operate|auth.Whole, http.MethodPost, "/v1/nodes/{id}/undrain", "undrain-node",
		"Have a node claim again that was told to drain", http.StatusOK))
}

func mountDrain(api huma.API, cfg *Config, on bool, op huma.Operation) {
	huma.Register(api, op, func(ctx context.Context, in *nodeInput) (*nodeReply, error) {
		if err := cfg.Drain(ctx, in.ID, on); err != nil {
			return nil, problemOf(err)
		}
		all, err := cfg.Nodes(ctx)
		if err != nil {
			return nil, problemOf(err)
		}
		for i := range all {
			if all[i].ID.String() == in.ID {
				return &nodeReply{nodeView(&all[i])}, nil
			}
		}
		return nil, problemOf(fmt.Errorf("node %s: %w: it has just gone", in.ID, store.ErrNotFound))
	})
}

func nodeView(n *store.Node) Node {
	v := Node{ID: n.ID.String(), Name: n.Name, Roles: strings.Split(n.Roles, ","), Version: n.Version, StartedAt: timeText(n.StartedAt), Draining: n.Draining}
	if time.UnixMicro(n.LeaseUntil).Before(time.Now().AddDate(1, 0, 0)) {
		v.LeaseUntil = timeText(n.LeaseUntil)
	}
	return v
}
