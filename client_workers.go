package sendoff

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Worker is a process that carries out tasks with a Process.
type Worker struct {
	ID        string    `json:"id"`   // over all servers
	Node      string    `json:"node"` // name of the server that has it
	NodeID    string    `json:"node_id"`
	At        time.Time `json:"at,omitzero"` // when it was so: of servers other than the one that answers, some seconds ago
	Number    int       `json:"number"`
	PID       int       `json:"pid"`
	Lang      string    `json:"lang,omitempty"` // what it runs, as it says
	State     string    `json:"state"`          // starting, idle, running, stopping
	StartedAt time.Time `json:"started_at,omitzero"`
	Since     time.Time `json:"since,omitzero"`     // in this state
	Done      int       `json:"done"`               // attempts that it has carried out
	Task      string    `json:"task,omitempty"`     // id of the task that it runs
	Process   string    `json:"process,omitempty"`  // what that is
	Stage     string    `json:"stage,omitempty"`    // of what is done to stop it: asked, terminated, killed
	Memory    int64     `json:"memory,omitempty"`   // bytes resident
	Replaced  bool      `json:"replaced,omitempty"` // it ends with its task, and another one is started
}

// Workers looks at worker processes: [Client.Workers].
type Workers struct{ c *Client }

// List returns the processes of all servers over one database, first those of the one
// that answers.
func (w Workers) List(ctx context.Context) ([]Worker, error) {
	var out items[Worker]
	_, _, err := w.c.do(ctx, request{method: http.MethodGet, path: "/v1/workers"}, &out)
	return out.Items, err
}

// Replace has a process end when its task has, at once when it has none, on whichever
// server; another one is started when it is needed. An error for which [IsNotFound] is true
// when there is none with this id, and a [Problem] of status 409 while it starts or ends.
func (w Workers) Replace(ctx context.Context, id string) (out Worker, err error) {
	_, _, err = w.c.do(ctx, request{method: http.MethodPost, path: "/v1/workers/" + url.PathEscape(id) + "/replace"}, &out)
	return out, err
}

// Control sends a control command of dispatcherd, such as "running", to the service that
// answers, and returns the members of its answer. data is the control_data, which is encoded
// as JSON; nil = none. A server that is no service of dispatcherd answers with a [Problem] of
// status 404. What changes tasks, "cancel" and "run", is not repeated when an answer is lost.
func (w Workers) Control(ctx context.Context, command string, data any) (map[string]json.RawMessage, error) {
	r := request{method: http.MethodPost, path: "/v1/control/" + url.PathEscape(command), body: data, again: command != "cancel" && command != "run"}
	var out map[string]json.RawMessage
	_, _, err := w.c.do(ctx, r, &out)
	return out, err
}
