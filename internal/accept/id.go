package accept

import (
	"context"
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// maxID is how many bytes an id may have that a client chose.
const maxID = 200

// checkID notes what is wrong with an id that a client chose.
func checkID(bad *task.Invalid, id string) {
	if id == "" {
		return
	}
	bad.CheckName("id", id, maxID)
	if strings.ContainsAny(id, "/?#% ") {
		bad.Add("id", "must be usable in a path: no blanks and none of / ? # %%")
	}
	if _, number := task.NamesAnother(id); number {
		bad.Add("id", "is a number that tasks of this server get as their job: put something before it, such as order-%s", id)
	}
}

// takenIDs returns those ids chosen by clients that are what the server calls
// another task. A client can only know the id of a task that is stored, so what
// is free now is not given to another task later.
func (a *Acceptor) takenIDs(ctx context.Context, subs []Submission) (map[string]bool, error) {
	var names []task.ID
	for i := range subs {
		if uuid, _ := task.NamesAnother(subs[i].Spec.ClientID); !uuid.IsZero() {
			names = append(names, uuid)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	rows, err := a.cfg.Store.Rows(ctx, names)
	if err == nil {
		rows, err = a.seen(ctx, rows)
	}
	if err != nil {
		return nil, err
	}
	there := map[task.ID]bool{}
	for _, row := range rows {
		there[row.ID] = true
	}
	taken := map[string]bool{}
	for i := range subs {
		id := subs[i].Spec.ClientID
		if uuid, _ := task.NamesAnother(id); there[uuid] {
			taken[id] = true
		}
	}
	return taken, nil
}
